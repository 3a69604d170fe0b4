//! `POST /events` and `GET /events/<msg>`: who may, what the body says by its type, and the answer.

use std::rc::Rc;

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, http::header, web::Payload};
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::{
    AppState,
    body::{Kind, Whole, form, max_json, objects, read_whole, text},
    cors,
    error::{no_store, refused},
    fields::{Fields, not_utf8},
    lines,
    link::Link,
    media::{accepted, accepts_event_stream},
};
use sse_broadcaster::{
    broadcaster::PublishError,
    event::{Event, EventId},
};
use sse_broadcaster_http::{Refusal, json_line};

/// The methods of `/events`.
pub(super) const METHODS: &str = "GET, HEAD, POST, OPTIONS";

pub(super) async fn post(request: &HttpRequest, body: Payload, state: &AppState) -> HttpResponse {
    let answer = async {
        let permit = state.gate.access.may_publish(request.head().into())?;
        check_accepted(request)?;
        let query = Fields::of_query(request.query_string())?;
        match Kind::of(request.headers())? {
            Kind::Lines => {
                let (count, last_id) = lines::publish(body, &query, state, &permit).await?;
                Ok(json(
                    &serde_json::json!({ "count": count, "last_id": last_id }),
                ))
            }
            kind => post_whole(request, body, &query, kind, state).await,
        }
    };
    finish(request, state, answer.await)
}

/// Publishes the rest of the path. The answer is the tutorial's.
pub(super) async fn get(request: &HttpRequest, message: &str, state: &AppState) -> HttpResponse {
    let answer = async {
        state.gate.access.may_publish(request.head().into())?;
        if !state.gate.access.get_publishes {
            return Err(Refusal::forbidden(
                "get_publish_disabled",
                "this server publishes by POST /events only (--no-get-publish)",
            ));
        }
        let data = percent_decode_str(message).decode_utf8();
        let data = data.map_err(|_| not_utf8("the message"))?.into_owned();
        let query = Fields::of_query(request.query_string())?;
        let event = Fields::of_text(data).with_query(&query)?.build()?;
        let ids = commit(request, state, vec![event]).await?;
        let id = ids.first().map(EventId::to_string).unwrap_or_default();
        Ok(ok()
            .content_type("text/plain; charset=utf-8")
            .insert_header(("event-id", id))
            .body("msg sent"))
    };
    finish(request, state, answer.await)
}

/// A subscription that was sent by the wrong method would publish what it carries, which is often nothing.
fn check_accepted(request: &HttpRequest) -> Result<(), Refusal> {
    let headers = request.headers();
    if !accepts_event_stream(headers) {
        return Ok(());
    }
    let takes_json = accepted(headers).any(|(essence, _)| {
        matches!(
            essence.as_str(),
            "application/json" | "application/*" | "*/*"
        )
    });
    let length = headers.get(header::CONTENT_LENGTH);
    let is_empty = length.map_or(!headers.contains_key(header::TRANSFER_ENCODING), |length| {
        length == "0"
    });
    if takes_json && !is_empty {
        return Ok(());
    }
    let detail = "a POST publishes, and is answered as JSON; subscribe by GET /events, or leave \
                  text/event-stream out of Accept to publish";
    Err(Refusal::new(
        http::StatusCode::NOT_ACCEPTABLE,
        "not_acceptable",
        detail,
    ))
}

async fn commit(
    request: &HttpRequest,
    state: &AppState,
    events: Vec<Event>,
) -> Result<Vec<EventId>, PublishError> {
    let appended = committing(request, state.broadcaster.publish(events));
    Ok(appended.await?.ids)
}

/// Waits for a write, which a client that goes away meanwhile does not undo.
pub(super) async fn committing<T>(request: &HttpRequest, write: impl Future<Output = T>) -> T {
    let link = request.conn_data::<Rc<Link>>();
    let set = |committing| {
        if let Some(link) = link {
            link.set_committing(committing);
        }
    };
    set(true);
    let written = write.await;
    set(false);
    written
}

pub(super) fn finish(
    request: &HttpRequest,
    state: &AppState,
    answer: Result<HttpResponse, Refusal>,
) -> HttpResponse {
    let mut answer = answer.unwrap_or_else(refused);
    cors::admit_publisher(answer.headers_mut(), &state.gate, request.head());
    answer
}

fn ok() -> HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer.insert_header(no_store());
    answer
}

fn json(body: &impl Serialize) -> HttpResponse {
    ok().content_type("application/json").body(json_line(body))
}

/// The answer to a publish of one event.
#[derive(Serialize)]
struct One<'a> {
    id: &'a str,
}

async fn post_whole(
    request: &HttpRequest,
    body: Payload,
    query: &Fields,
    kind: Kind,
    state: &AppState,
) -> Result<HttpResponse, Refusal> {
    let max = match kind {
        Kind::Text => state.broadcaster.options().max_event_bytes,
        _ => max_json(&state.broadcaster),
    };
    let Whole {
        bytes: body,
        upload: _upload,
    } = read_whole(request, body, max, &state.uploads).await?;
    let (events, many) = match kind {
        Kind::Text => (vec![Fields::of_text(text(body.into())?)], false),
        Kind::Form => (vec![form(&body)?], false),
        Kind::Json | Kind::Lines => objects(&body, state.broadcaster.max_batch_events())?,
    };
    if many && query.has_idempotency_key() {
        return Err(Refusal::unprocessable(
            "duplicate_field",
            "the id in the query stands for one event; give each object of the array its own",
        ));
    }
    let events = events
        .into_iter()
        .map(|fields| fields.with_query(query)?.build());
    let events = events.collect::<Result<Vec<Event>, Refusal>>()?;
    let ids = commit(request, state, events).await?;
    let mut ids: Vec<String> = ids.iter().map(EventId::to_string).collect();
    if many {
        return Ok(json(&serde_json::json!({ "ids": ids })));
    }
    let id = ids.pop().unwrap_or_default();
    let mut answer = json(&One { id: &id });
    if let Ok(id) = id.parse() {
        answer
            .headers_mut()
            .insert(header::HeaderName::from_static("event-id"), id);
    }
    Ok(answer)
}
