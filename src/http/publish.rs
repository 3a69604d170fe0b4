//! `POST /events` and `GET /events/<msg>`: who may, what the body says by its type, and the answer.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{self, HeaderMap},
    },
    web::{BytesMut, Payload},
};
use futures_util::StreamExt as _;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::{
    Face, cors,
    error::{Problem, Progress, no_store},
    fields::{Fields, JSON_LINE, not_utf8},
};
use crate::{
    broadcaster::PublishError,
    event::{Event, EventId},
};

/// How long the next part of a body may take, but for streamed lines, which come when they come.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// JSON may spell a byte as `\u0000`, and names come on top.
const JSON_EXPANSION: usize = 6;
const JSON_ALLOWANCE: usize = 64 << 10;
/// Most streamed lines that are appended in one step.
const LINES_PER_APPEND: usize = 64;

/// The kinds of body, by `Content-Type`.
enum Kind {
    Text,
    Form,
    Json,
    Lines,
}

pub(super) async fn post(request: &HttpRequest, body: Payload, face: &Face) -> HttpResponse {
    let answer = async {
        face.gate.access.may_publish(cors::asked(request))?;
        let query = Fields::of_query(request.query_string())?;
        match Kind::of(request.headers())? {
            Kind::Lines => post_lines(body, &query, face).await,
            kind => post_whole(request, body, &query, kind, face).await,
        }
    };
    finish(request, face, answer.await)
}

/// Publishes the rest of the path. The answer is the tutorial's.
pub(super) async fn get(request: &HttpRequest, message: &str, face: &Face) -> HttpResponse {
    let answer = async {
        face.gate.access.may_publish(cors::asked(request))?;
        if !face.gate.access.get_publishes {
            return Err(Problem::forbidden(
                "get_publish_disabled",
                "this server publishes by POST /events only (--no-get-publish)",
            ));
        }
        let data = percent_decode_str(message).decode_utf8();
        let data = data.map_err(|_| not_utf8("the message"))?.into_owned();
        let query = Fields::of_query(request.query_string())?;
        let event = Fields::of_text(data).with_query(&query)?.build()?;
        let ids = face.broadcaster.publish(event).await?.ids;
        let id = ids.first().map(EventId::to_string).unwrap_or_default();
        Ok(ok()
            .content_type("text/plain; charset=utf-8")
            .insert_header(("event-id", id))
            .body("msg sent"))
    };
    finish(request, face, answer.await)
}

fn finish(
    request: &HttpRequest,
    face: &Face,
    answer: Result<HttpResponse, Problem>,
) -> HttpResponse {
    let mut answer = answer.unwrap_or_else(HttpResponse::from_error);
    cors::admit_publisher(answer.headers_mut(), &face.gate, request);
    answer
}

fn ok() -> HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer.insert_header(no_store());
    answer
}

fn json(body: &impl Serialize) -> HttpResponse {
    ok().content_type("application/json")
        .body(serde_json::to_string(body).unwrap_or_default())
}

impl Kind {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let coding = headers.get(header::CONTENT_ENCODING);
        if coding.is_some_and(|coding| coding != "identity") {
            return Err(unsupported(
                "a compressed body is not taken; send it as it is",
            ));
        }
        let Some(value) = headers.get(header::CONTENT_TYPE) else {
            return Ok(Self::Text);
        };
        let value = value.to_str().unwrap_or("?").to_ascii_lowercase();
        let (essence, parameters) = value.split_once(';').unwrap_or((&value, ""));
        let charset = parameters
            .split(';')
            .find_map(|p| p.trim().strip_prefix("charset="));
        if charset
            .is_some_and(|set| !matches!(set.trim_matches('"'), "utf-8" | "utf8" | "us-ascii"))
        {
            return Err(unsupported("only UTF-8 is taken; leave the charset away"));
        }
        match essence.trim() {
            "" => Ok(Self::Text),
            "application/x-www-form-urlencoded" => Ok(Self::Form),
            "application/json" => Ok(Self::Json),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Self::Lines),
            text if text.starts_with("text/") => Ok(Self::Text),
            json if json.ends_with("+json") => Ok(Self::Json),
            _ => Err(unsupported(
                "this content type cannot be published; use application/json, \
                 application/x-ndjson, application/x-www-form-urlencoded or text/plain",
            )),
        }
    }
}

fn unsupported(detail: &str) -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        detail,
    )
}

async fn post_whole(
    request: &HttpRequest,
    body: Payload,
    query: &Fields,
    kind: Kind,
    face: &Face,
) -> Result<HttpResponse, Problem> {
    let max_event = face.broadcaster.options().max_event_bytes;
    let max = match kind {
        Kind::Text => max_event,
        _ => (face.broadcaster.max_batch_bytes()).max(max_object(max_event)),
    };
    let body = read_whole(request, body, max).await?;
    let (events, many) = match kind {
        Kind::Text => (vec![Fields::of_text(text(body.into())?)], false),
        Kind::Form => (vec![form(&body)?], false),
        Kind::Json | Kind::Lines => objects(&body)?,
    };
    if many && query.has_own_id() {
        return Err(Problem::unprocessable(
            "duplicate_field",
            "the id in the query stands for one event; give each object of the array its own",
        ));
    }
    let events = events
        .into_iter()
        .map(|fields| fields.with_query(query)?.build());
    let events = events.collect::<Result<Vec<Event>, Problem>>()?;
    let ids = face.broadcaster.publish(events).await?.ids;
    let mut ids: Vec<String> = ids.iter().map(EventId::to_string).collect();
    if many {
        return Ok(json(&serde_json::json!({ "ids": ids })));
    }
    let id = ids.pop().unwrap_or_default();
    let mut answer = json(&serde_json::json!({ "id": id }));
    if let Ok(id) = id.parse() {
        answer
            .headers_mut()
            .insert(header::HeaderName::from_static("event-id"), id);
    }
    Ok(answer)
}

fn max_object(max_event_bytes: usize) -> usize {
    JSON_EXPANSION * max_event_bytes + JSON_ALLOWANCE
}

async fn read_whole(
    request: &HttpRequest,
    mut body: Payload,
    max: usize,
) -> Result<BytesMut, Problem> {
    let too_large = || Problem::too_large(format!("the body is larger than {max} bytes"));
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: usize| length > max) {
        return Err(too_large());
    }
    let mut whole = BytesMut::new();
    loop {
        let part = timeout(BODY_TIMEOUT, body.next()).await.map_err(|_| {
            Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "body_timeout",
                "the rest of the body did not come in time",
            )
        })?;
        let Some(part) = part else { return Ok(whole) };
        let part = part.map_err(|_| incomplete())?;
        if whole.len() + part.len() > max {
            return Err(too_large());
        }
        whole.extend_from_slice(&part);
    }
}

fn incomplete() -> Problem {
    Problem::bad_request("incomplete_body", "the body ended before it was complete")
}

fn text(body: Vec<u8>) -> Result<String, Problem> {
    String::from_utf8(body).map_err(|_| not_utf8("the body"))
}

/// What `curl -d` sends unasked is a form by name; text without any `=` means itself.
fn form(body: &[u8]) -> Result<Fields, Problem> {
    if matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return Err(Problem::unprocessable(
            "looks_like_json",
            "this looks like JSON but came as a form; add the header: \
             -H 'Content-Type: application/json'",
        ));
    }
    if body.contains(&b'=') {
        return Fields::of_form(body);
    }
    Ok(Fields::of_text(text(body.to_vec())?))
}

/// The objects of a JSON body, and whether it was an array.
fn objects(body: &[u8]) -> Result<(Vec<Fields>, bool), Problem> {
    let body = std::str::from_utf8(body).map_err(|_| not_utf8("the body"))?;
    if body.trim_start().starts_with('[') {
        let objects: Vec<Box<RawValue>> = serde_json::from_str(body).map_err(|e| not_json(&e))?;
        if objects.is_empty() {
            let detail = format!("the array is empty; send [{JSON_LINE}]");
            return Err(Problem::unprocessable("no_data", detail));
        }
        let fields = objects.iter().map(|object| Fields::of_json(object));
        return Ok((fields.collect::<Result<_, _>>()?, true));
    }
    Ok((vec![object(body)?], false))
}

fn object(text: &str) -> Result<Fields, Problem> {
    let object: Box<RawValue> = serde_json::from_str(text).map_err(|e| not_json(&e))?;
    Fields::of_json(&object)
}

fn not_json(error: &serde_json::Error) -> Problem {
    Problem::bad_request(
        "invalid_json",
        format!("not valid JSON: {error}; send {JSON_LINE}"),
    )
}

/// Publishes line by line as they come; the first bad one ends it.
async fn post_lines(
    mut body: Payload,
    query: &Fields,
    face: &Face,
) -> Result<HttpResponse, Problem> {
    let mut lines = Lines::new(query, face);
    let mut rest = BytesMut::new();
    let max = max_object(face.broadcaster.options().max_event_bytes);
    while let Some(part) = body.next().await {
        let part = part.map_err(|_| lines.stop(incomplete()))?;
        rest.extend_from_slice(&part);
        if let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') {
            let complete = rest.split_to(end + 1);
            lines.publish(&complete[..end]).await?;
        }
        if rest.len() > max {
            let detail = format!("the line is longer than {max} bytes");
            lines.line += 1;
            return Err(lines.stop(Problem::too_large(detail)));
        }
    }
    lines.publish(&rest).await?;
    Ok(json(
        &serde_json::json!({ "count": lines.count, "last_id": lines.last_id() }),
    ))
}

struct Lines<'a> {
    query: &'a Fields,
    face: &'a Face,
    line: u64,
    count: u64,
    last: Option<EventId>,
}

impl<'a> Lines<'a> {
    fn new(query: &'a Fields, face: &'a Face) -> Self {
        Self {
            query,
            face,
            line: 0,
            count: 0,
            last: None,
        }
    }

    async fn publish(&mut self, text: &[u8]) -> Result<(), Problem> {
        let mut events = Vec::new();
        for line in text.split(|byte| *byte == b'\n') {
            self.line += 1;
            match self.parse(line) {
                Ok(Some(event)) => {
                    if !self.fits(&events, &event) {
                        self.append(std::mem::take(&mut events)).await?;
                    }
                    events.push(event);
                }
                Ok(None) => {}
                Err(problem) => {
                    self.append(events).await?;
                    return Err(self.stop(problem));
                }
            }
        }
        self.append(events).await
    }

    /// Whether it may be appended in one step with those that came together with it.
    fn fits(&self, events: &[Event], event: &Event) -> bool {
        let broadcaster = &self.face.broadcaster;
        let cost: usize = events.iter().map(Event::cost).sum();
        events.len() < LINES_PER_APPEND.min(broadcaster.max_batch_events())
            && cost + event.cost() <= broadcaster.max_batch_bytes()
    }

    fn parse(&self, line: &[u8]) -> Result<Option<Event>, Problem> {
        let line = std::str::from_utf8(line)
            .map_err(|_| not_utf8("the line"))?
            .trim();
        if line.is_empty() {
            return Ok(None);
        }
        if self.query.has_own_id() {
            return Err(Problem::unprocessable(
                "duplicate_field",
                "the id in the query stands for one event; give each line its own",
            ));
        }
        let event = object(line)?.with_query(self.query)?.build()?;
        let (bytes, max) = (
            event.data().len(),
            self.face.broadcaster.options().max_event_bytes,
        );
        if bytes > max {
            return Err(PublishError::EventTooLarge { bytes, max }.into());
        }
        Ok(Some(event))
    }

    async fn append(&mut self, events: Vec<Event>) -> Result<(), Problem> {
        if events.is_empty() {
            return Ok(());
        }
        let appended = self.face.broadcaster.publish(events).await;
        let ids = appended.map_err(|error| self.stop(error.into()))?.ids;
        self.count += ids.len() as u64;
        self.last = ids.last().copied().or(self.last);
        Ok(())
    }

    fn last_id(&self) -> Option<String> {
        self.last.map(|id| id.to_string())
    }

    /// The refusal, with the line it is about and how many events stand.
    fn stop(&self, problem: Problem) -> Problem {
        problem.with_progress(Progress {
            line: self.line,
            count: self.count,
            last_id: self.last_id(),
        })
    }
}
