//! `GET /presence`: who is on a topic, as counts or as a list.

use serde::Serialize;
use serde_json::value::RawValue;
use sse_broadcaster::{
    event::{Invalid, Selector, Topic},
    internal::Shown,
};
use sse_broadcaster_access::issuer::Purpose;
use sse_broadcaster_presence::{Counts, Member, Members};

use super::{finish::finish_read, streams::read_parameters};
use crate::{
    AppState, Refusal, RequestHead, json_line,
    parameters::{query, read_limit},
    response::{self, EVENT_HEAD, JSON, Response, insert_id},
};

/// Most users in one page, and as many unless the request says fewer.
const MAX_LIMIT: usize = 1_000;
const PARAMETERS: [&str; 4] = ["topic", "list", "after", "limit"];

pub(super) async fn respond(request: &impl RequestHead, state: &AppState) -> Response {
    finish_read(request, state, read(request, state).await)
}

async fn read(request: &impl RequestHead, state: &AppState) -> Result<Response, Refusal> {
    let parameters = read_parameters(request, |query, _| Parameters::read(query))?;
    let Parameters { topic, list, .. } = &parameters;
    let topic = topic.as_str();
    let authorized = state.authorization.client(request, Purpose::Subscribe);
    let client = authorized.await?;
    client.may_read(topic)?;
    if *list && !client.grants().may_see_presence(topic) {
        return Err(client.not_granted("listing who is on", topic));
    }
    let presence = state.presence.as_ref();
    let presence = presence.filter(|presence| presence.has(topic));
    let presence = presence.ok_or_else(|| no_presence(topic))?;
    // Before the members: events after it bring a list up to date.
    let head = state.broadcaster.bounds().head;
    let counts = presence.counts(topic).await?;
    let members = if *list {
        let limit = parameters.limit.unwrap_or(MAX_LIMIT);
        Some(presence.members(topic, &parameters.after, limit).await?)
    } else {
        None
    };
    let body = json_line(&Page::new(topic, counts, members.as_ref()));
    let mut response = response::with_body(JSON, body);
    let head = state
        .broadcaster
        .shown_position(head, &client.restricted(Selector::all()));
    insert_id(response.headers_mut(), EVENT_HEAD, &head.to_string());
    Ok(response)
}

fn no_presence(topic: &str) -> Refusal {
    let detail = format!(
        "the topic {} has no presence; start the server with --presence and this topic or a pattern that matches it",
        Shown(topic)
    );
    Refusal::new(http::StatusCode::NOT_FOUND, "no_presence", detail)
}

struct Parameters {
    topic: Topic,
    list: bool,
    after: String,
    limit: Option<usize>,
}

impl Parameters {
    fn read(query: &str) -> Result<Self, Invalid> {
        let (mut topics, mut list, mut after, mut limit) = (Vec::new(), false, String::new(), None);
        for (name, value) in query::lossy_pairs(query.as_bytes()) {
            match name.as_str() {
                "topic" if !value.is_empty() => topics.push(value),
                "list" if !value.is_empty() => list = read_list(&value)?,
                "after" => after = value,
                "limit" if !value.is_empty() => {
                    limit = Some(read_limit(&value, MAX_LIMIT, "users")?);
                }
                name => check_name(name)?,
            }
        }
        let topic = match &topics[..] {
            [] => Topic::default(),
            [topic] => Topic::new(topic)?,
            _ => {
                let detail = format!(
                    "{} topics; presence is read of one topic at a time",
                    topics.len()
                );
                return Err(Invalid::new("single_topic", detail));
            }
        };
        Ok(Self {
            topic,
            list,
            after,
            limit,
        })
    }
}

fn check_name(name: &str) -> Result<(), Invalid> {
    let Some(meant) = query::misspelt(name, &PARAMETERS) else {
        return Ok(());
    };
    let detail = format!(
        "{} is not a parameter of presence; write {meant}",
        Shown(name)
    );
    Err(Invalid::new("unknown_parameter", detail))
}

fn read_list(text: &str) -> Result<bool, Invalid> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Invalid::new("invalid_list", "list is true or false")),
    }
}

#[derive(Serialize)]
struct Page<'a> {
    topic: &'a str,
    users: u64,
    connections: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<Listed<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<bool>,
}

#[derive(Serialize)]
struct Listed<'a> {
    user: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

impl<'a> Page<'a> {
    fn new(topic: &'a str, counts: Counts, members: Option<&'a Members>) -> Self {
        let listed = |member: &'a Member| Listed {
            user: &member.user,
            data: member
                .data
                .as_deref()
                .and_then(|data| serde_json::from_str(data).ok()),
        };
        Self {
            topic,
            users: counts.users,
            connections: counts.connections,
            members: members.map(|members| members.found.iter().map(listed).collect()),
            more: members.map(|members| members.more),
        }
    }
}
