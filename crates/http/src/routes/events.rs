//! Publishing: `POST /events` and `GET /events/<msg>`.

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::finish::{TEXT, committing, finish_publish};
use crate::{
    AppState, Permit, PublishRequest, Refusal, RequestHead,
    accept::{accepted, accepts_event_stream},
    json_line::json_line,
    publish::{BodyKind, form, max_json, objects, publish_lines, text},
    response::{self, EVENT_ID, JSON, Response, insert_id},
    traces::PublishTrace,
    uploads::{Whole, read_whole},
};
use sse_broadcaster::{
    broadcaster::PublishError,
    event::{Event, EventId},
};

/// The methods of `/events`, then those of what is below it.
pub(super) const METHODS: &str = "GET, HEAD, POST, OPTIONS";
pub(super) const MESSAGE_METHODS: &str = "GET, HEAD, OPTIONS";

pub(super) async fn post<B, E>(request: &impl RequestHead, body: B, state: &AppState) -> Response
where
    B: Stream<Item = Result<Bytes, E>> + Unpin,
{
    let mut trace = PublishTrace::begin(state, request, "/events");
    let response = async {
        let permit = state.may_publish(request).await?;
        check_accepted(request)?;
        let query = PublishRequest::from_query(request.query())?;
        match BodyKind::of(request)? {
            BodyKind::Lines => {
                let (count, last_id) =
                    publish_lines(request, body, &query, state, &permit, &mut trace).await?;
                Ok(json(
                    &serde_json::json!({ "count": count, "last_id": last_id }),
                ))
            }
            kind => post_whole(request, body, &query, kind, state, &permit, &mut trace).await,
        }
    };
    let response = response.await;
    finish_publish(request, state, trace, response)
}

/// Publishes the rest of the path. The response is that of the actix-web tutorial.
pub(super) async fn get(request: &impl RequestHead, message: &str, state: &AppState) -> Response {
    let mut trace = PublishTrace::begin(state, request, "/events/{message}");
    let response = async {
        let permit = state.may_publish(request).await?;
        if !state.gate.access().get_publishes {
            return Err(Refusal::forbidden(
                "get_publish_disabled",
                "publishing by GET is disabled on this server (--no-get-publish); send a POST to /events",
            ));
        }
        let data = percent_decode_str(message).decode_utf8();
        let data = data.map_err(|_| Refusal::not_utf8("the message"))?;
        let query = PublishRequest::from_query(request.query())?;
        let event = PublishRequest::from_text(data)
            .with_query(&query)?
            .build()?;
        permit.check_event(&event)?;
        let ids = commit(request, state, &mut trace, vec![event]).await?;
        let mut response = response::with_body(TEXT, "msg sent".to_owned());
        if let Some(id) = ids.first() {
            insert_id(response.headers_mut(), EVENT_ID, &id.to_string());
        }
        Ok(response)
    };
    let response = response.await;
    finish_publish(request, state, trace, response)
}

/// Refuses a `POST` that asks for a stream: a client that subscribes by the wrong method would publish an empty
/// event.
fn check_accepted(request: &impl RequestHead) -> Result<(), Refusal> {
    if !accepts_event_stream(request) {
        return Ok(());
    }
    let takes_json = accepted(request).any(|(essence, _)| {
        matches!(
            essence.as_str(),
            "application/json" | "application/*" | "*/*"
        )
    });
    let length = request.header("content-length");
    let is_empty = length.map_or(request.header("transfer-encoding").is_none(), |length| {
        length == b"0"
    });
    if takes_json && !is_empty {
        return Ok(());
    }
    let detail = "a POST publishes, and its response is JSON; subscribe by GET /events, or leave \
                  text/event-stream out of Accept to publish";
    Err(Refusal::new(
        StatusCode::NOT_ACCEPTABLE,
        "not_acceptable",
        detail,
    ))
}

pub(super) async fn commit(
    request: &impl RequestHead,
    state: &AppState,
    trace: &mut PublishTrace,
    events: Vec<Event>,
) -> Result<Vec<EventId>, PublishError> {
    let appended = committing(request, state.broadcaster.publish(trace.batch(events)));
    let ids = appended.await?.ids;
    trace.published(&ids);
    Ok(ids)
}

fn json(body: &impl Serialize) -> Response {
    response::with_body(JSON, json_line(body))
}

/// The response to a publish of one event, as JSON.
#[derive(Serialize)]
struct One<'a> {
    id: &'a str,
}

/// The body of a publish. It counts against the budget of bodies until it is dropped, which is when its events are
/// in history.
pub(super) async fn read_body<B, E>(
    request: &impl RequestHead,
    body: B,
    kind: BodyKind,
    state: &AppState,
) -> Result<Whole, Refusal>
where
    B: Stream<Item = Result<Bytes, E>> + Unpin,
{
    let max = match kind {
        BodyKind::Text => state.broadcaster.options().max_event_bytes,
        _ => max_json(&state.broadcaster),
    };
    read_whole(request, body, max, state).await
}

/// What a whole body asks for, and whether that is a list.
pub(super) fn requests(
    kind: BodyKind,
    body: BytesMut,
    max_events: usize,
) -> Result<(Vec<PublishRequest>, bool), Refusal> {
    match kind {
        BodyKind::Text => {
            let data = text(body.into())?;
            Ok((vec![PublishRequest::from_text(data)], false))
        }
        BodyKind::Form => Ok((vec![form(&body)?], false)),
        BodyKind::Json | BodyKind::Lines => objects(&body, max_events),
    }
}

async fn post_whole<B, E>(
    request: &impl RequestHead,
    body: B,
    query: &PublishRequest,
    kind: BodyKind,
    state: &AppState,
    permit: &Permit,
    trace: &mut PublishTrace,
) -> Result<Response, Refusal>
where
    B: Stream<Item = Result<Bytes, E>> + Unpin,
{
    let Whole {
        bytes: body,
        upload: _upload,
    } = read_body(request, body, kind, state).await?;
    let (events, many) = requests(kind, body, state.broadcaster.max_batch_events())?;
    if many && query.has_idempotency_key() {
        return Err(Refusal::unprocessable(
            "duplicate_field",
            "the id in the query is that of one event; give each object of the array its own",
        ));
    }
    let events = events
        .into_iter()
        .map(|event| event.with_query(query)?.build());
    let events = events.collect::<Result<Vec<Event>, Refusal>>()?;
    events
        .iter()
        .try_for_each(|event| permit.check_event(event))?;
    let ids = commit(request, state, trace, events).await?;
    if many {
        let ids: Vec<String> = ids.iter().map(EventId::to_string).collect();
        return Ok(json(&serde_json::json!({ "ids": ids })));
    }
    Ok(one(&ids))
}

/// The response to a publish of one event.
pub(super) fn one(ids: &[EventId]) -> Response {
    let id = ids.last().map(EventId::to_string);
    let mut response = json(&One {
        id: id.as_deref().unwrap_or_default(),
    });
    if let Some(id) = &id {
        insert_id(response.headers_mut(), EVENT_ID, id);
    }
    response
}
