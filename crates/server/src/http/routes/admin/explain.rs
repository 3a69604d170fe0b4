//! `GET /admin/explain`: why a connection was or was not sent an event.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use sse_broadcaster::{
    broadcaster::{ConnectionId, Explanation, Outcome},
    event::{Event, EventId},
    history::Found,
    internal::from_unix_ms,
};
use sse_broadcaster_actix::{AppState, Problem, Refusal};

use super::{
    Admin, admit_to_connections,
    connections::{ShownConnection, topics_of, unknown},
    json,
    parameters::{Parameters, invalid},
    text_of,
};

#[derive(Serialize)]
struct Response<'a> {
    node: &'a str,
    outcome: &'static str,
    detail: String,
    event: Option<ShownEvent>,
    connection: ShownConnection,
    at: Option<String>,
}

#[derive(Serialize)]
struct ShownEvent {
    id: String,
    topics: Vec<String>,
    private: bool,
    time: String,
}

impl From<&Found> for ShownEvent {
    fn from(found: &Found) -> Self {
        Self {
            id: found.id().to_string(),
            topics: topics_of_event(found),
            private: found.event().is_private(),
            time: text_of(from_unix_ms(found.time_ms())),
        }
    }
}

pub(super) async fn respond(
    request: HttpRequest,
    admin: web::Data<Admin>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    admit_to_connections(&request, &state).await?;
    let parameters = Parameters::read(&request, &["connection", "event"])?;
    let event = parameters.event(&state)?;
    let id = parameters.text("connection").ok_or_else(|| {
        let why =
            "connection is missing; give the \"id\" of one, as GET /admin/connections lists it";
        invalid("connection_missing", why.to_owned())
    })?;
    let explanation = match id.parse::<ConnectionId>() {
        Ok(id) => state
            .broadcaster
            .explain(id, event)
            .await
            .map_err(Refusal::from)?,
        Err(_) => None,
    };
    let explanation = explanation.ok_or_else(|| unknown(id))?;
    Ok(json(&Response {
        node: admin.nodes.name(),
        outcome: name(explanation.outcome),
        detail: detail(&explanation, event, state.broadcaster.bounds().head),
        event: explanation.event.as_ref().map(ShownEvent::from),
        connection: ShownConnection::from(&explanation.connection),
        at: explanation.offered.map(text_of),
    }))
}

fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Sent => "sent",
        Outcome::Pending => "pending",
        Outcome::NoMatch => "no_match",
        Outcome::NoGrant => "no_grant",
        Outcome::BeforeStart => "before_start",
        Outcome::Gap => "gap",
        _ => "unknown_event",
    }
}

/// The outcome as a sentence.
fn detail(explanation: &Explanation, event: EventId, head: EventId) -> String {
    let opened = text_of(explanation.connection.opened);
    let behind = explanation.connection.behind;
    match explanation.outcome {
        Outcome::Sent => match explanation.offered {
            Some(at) => format!("The event was handed to the connection at {}.", text_of(at)),
            None => "The event was handed to the connection; when is not known any more, or it came from history."
                .to_owned(),
        },
        Outcome::Pending if explanation.begins_after.is_none() => {
            "The connection is being opened, and begins with what history holds.".to_owned()
        }
        Outcome::Pending => format!(
            "The connection is {behind} events behind and has not come to the event: its client reads slowly."
        ),
        Outcome::NoMatch => no_match(explanation),
        Outcome::NoGrant => format!(
            "The connection asked for the event but may not read it: {}.",
            why_not_granted(explanation)
        ),
        Outcome::BeforeStart => format!(
            "The connection was opened at {opened} and begins after {}, which is the event or a later one.",
            shown(explanation.begins_after)
        ),
        Outcome::Gap => gap(explanation),
        _ if event > head => {
            format!("No event has this id yet: the newest one is {head}.")
        }
        _ => "History has no event of this id: it was dropped, or never there.".to_owned(),
    }
}

fn no_match(explanation: &Explanation) -> String {
    let (asked, total) = topics_of(&explanation.connection.selector);
    let more = match total - asked.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "The event is of the topics {}, and the connection asked for {}{more}.",
        names_of_event(explanation),
        asked.join(", ")
    )
}

fn why_not_granted(explanation: &Explanation) -> String {
    let topics = names_of_event(explanation);
    let event = explanation.event.as_ref().map(Found::event);
    let is_private = event.is_some_and(Event::is_private);
    let user = match explanation.connection.peer.user.as_deref() {
        Some(user) => format!("the user {user:?}"),
        None => "its client".to_owned(),
    };
    if is_private {
        format!("the event is private, and {user} has no grant for {topics}")
    } else {
        format!("{topics} needs a grant, which {user} does not have")
    }
}

fn gap(explanation: &Explanation) -> String {
    let Some(gap) = explanation.gap else {
        return "The client was sent a gap.".to_owned();
    };
    format!(
        "History lost the events after {} up to {} before the connection came to them; the client was sent a gap \
         at {}.",
        gap.after,
        gap.to,
        text_of(from_unix_ms(gap.sent_ms))
    )
}

fn topics_of_event(found: &Found) -> Vec<String> {
    let topics = found.event().topics().iter();
    topics.map(|topic| topic.as_str().to_owned()).collect()
}

fn names_of_event(explanation: &Explanation) -> String {
    let topics = explanation.event.as_ref().map(topics_of_event);
    topics.unwrap_or_default().join(", ")
}

fn shown(id: Option<EventId>) -> String {
    id.map_or_else(|| "nothing".to_owned(), |id| id.to_string())
}
