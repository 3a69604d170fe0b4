//! `GET /admin/connections` lists connections, `DELETE /admin/connections/<id>` ends one.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde::Serialize;
use sse_broadcaster::{
    broadcaster::{Connection, ConnectionFilter, ConnectionId, HttpVersion, Transport},
    event::{SelectedTopics, Selector, Topic, TopicMatcher},
    internal::Shown,
};
use sse_broadcaster_actix::{AppState, Problem, Refusal, internal::no_store};

use super::{Admin, admit_to_connections, json, parameters::Parameters, text_of};

/// Most topics of a connection that are named.
const MAX_TOPICS: usize = 20;

#[derive(Serialize)]
struct Page<'a> {
    node: &'a str,
    connections: Vec<ShownConnection>,
    more: bool,
}

/// A connection as the routes show it.
#[derive(Serialize)]
pub(super) struct ShownConnection {
    id: String,
    address: Option<String>,
    user: Option<String>,
    topics: Vec<String>,
    topics_total: usize,
    transport: &'static str,
    http: &'static str,
    since: String,
    behind: u64,
    sent_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
}

impl From<&Connection> for ShownConnection {
    fn from(connection: &Connection) -> Self {
        let Connection {
            id,
            peer,
            opened,
            selector,
            behind,
            last_sent,
            ..
        } = connection;
        let (topics, topics_total) = topics_of(selector);
        Self {
            id: id.to_string(),
            address: peer.address.map(|address| address.to_string()),
            user: peer.user.as_deref().map(str::to_owned),
            topics,
            topics_total,
            transport: match peer.transport {
                Transport::WebSocket => "websocket",
                Transport::Signals => "signals",
                Transport::Mercure => "mercure",
                _ => "sse",
            },
            http: match peer.http {
                HttpVersion::Http10 => "1.0",
                HttpVersion::Http2 => "2",
                _ => "1.1",
            },
            since: text_of(*opened),
            behind: *behind,
            sent_id: last_sent.map(|id| id.to_string()),
            user_agent: peer.user_agent.as_deref().map(str::to_owned),
        }
    }
}

/// The first of what a selector asks for, and how much that is.
pub(super) fn topics_of(selector: &Selector) -> (Vec<String>, usize) {
    let names = |topics: &[Topic]| -> Vec<String> {
        let first = topics.iter().take(MAX_TOPICS);
        first.map(|topic| topic.as_str().to_owned()).collect()
    };
    match selector.selected() {
        SelectedTopics::Topics(topics) => (names(topics), topics.len()),
        SelectedTopics::Matching(matching) => {
            let mut shown = names(matching.topics());
            let matchers = matching.matchers().take(MAX_TOPICS - shown.len());
            shown.extend(matchers.map(TopicMatcher::description));
            let total = matching.topics().len() + matching.matchers().count();
            (shown, total)
        }
        _ => (vec!["*".to_owned()], 1),
    }
}

pub(super) async fn list(
    request: HttpRequest,
    admin: web::Data<Admin>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    admit_to_connections(&request, &state).await?;
    let known = ["topic", "user", "address", "limit", "after"];
    let parameters = Parameters::read(&request, &known)?;
    let filter = ConnectionFilter::default()
        .topic(parameters.owned("topic"))
        .user(parameters.owned("user"))
        .address(parameters.address()?);
    let (after, limit) = (parameters.after()?, parameters.limit("connections")?);
    let broadcaster = state.broadcaster.clone();
    // It may look at every connection: not on the thread that serves them.
    let listing = web::block(move || broadcaster.connections(&filter, after, limit));
    let found = listing.await.map_err(|_| busy())?;
    Ok(json(&Page {
        node: admin.nodes.name(),
        connections: found.found.iter().map(ShownConnection::from).collect(),
        more: found.more,
    }))
}

pub(super) async fn disconnect(
    request: HttpRequest,
    id: web::Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    admit_to_connections(&request, &state).await?;
    let parsed = id.parse::<ConnectionId>().ok();
    if !parsed.is_some_and(|id| state.broadcaster.disconnect(id)) {
        return Err(unknown(&id));
    }
    log::info!("an operator has ended the connection {}", Shown(&id));
    let mut response = HttpResponse::NoContent();
    Ok(response.insert_header(no_store()).finish())
}

pub(super) fn unknown(id: &str) -> Problem {
    let detail = format!(
        "no connection {} is open on this node; list those that are with GET /admin/connections",
        Shown(id)
    );
    Problem::new(StatusCode::NOT_FOUND, "unknown_connection", detail)
}

/// The threads that may wait are gone, since the server ends.
pub(super) fn busy() -> Refusal {
    Refusal::unavailable(
        "draining",
        "the server is going away; try again in a moment",
    )
}
