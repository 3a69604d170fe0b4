//! What a publish's body says, by its type.

use std::time::Duration;

use actix_web::{
    HttpRequest,
    http::{
        StatusCode,
        header::{self, HeaderMap},
    },
    web::{BytesMut, Payload},
};
use futures_util::StreamExt as _;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};

use super::{
    error::Problem,
    fields::{Fields, JSON_LINE, not_utf8},
};
use crate::broadcaster::Broadcaster;

/// How long a body may take in all, but for streamed lines, which come when they come.
const BODY_TIMEOUT: Duration = Duration::from_secs(300);
/// How long its next part may take.
const PART_TIMEOUT: Duration = Duration::from_secs(30);
/// Of UTF-8. Windows' editors and some libraries write it before text.
pub(super) const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// JSON may spell a byte as `\u0000`, and names come on top.
const JSON_EXPANSION: usize = 6;
const JSON_ALLOWANCE: usize = 64 << 10;
/// The kinds of body, by `Content-Type`.
pub(super) enum Kind {
    Text,
    Form,
    Json,
    Lines,
}

impl Kind {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        check_coding(headers)?;
        let Some((essence, parameters)) = media_type(headers) else {
            return Ok(Self::Text);
        };
        let charset = parameters
            .split(';')
            .find_map(|p| p.trim().strip_prefix("charset="));
        if charset
            .is_some_and(|set| !matches!(set.trim_matches('"'), "utf-8" | "utf8" | "us-ascii"))
        {
            return Err(unsupported("only UTF-8 is taken; leave the charset away"));
        }
        match essence.as_str() {
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

/// The type of a body in lower case, and what follows it.
pub(super) fn media_type(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::CONTENT_TYPE)?;
    let value = value.to_str().unwrap_or("?").to_ascii_lowercase();
    let (essence, parameters) = value.split_once(';').unwrap_or((&value, ""));
    Some((essence.trim().to_owned(), parameters.to_owned()))
}

pub(super) fn check_coding(headers: &HeaderMap) -> Result<(), Problem> {
    let coding = headers.get(header::CONTENT_ENCODING);
    if coding.is_some_and(|coding| coding != "identity") {
        return Err(unsupported(
            "a compressed body is not taken; send it as it is",
        ));
    }
    Ok(())
}

pub(super) fn unsupported(detail: &str) -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        detail,
    )
}

pub(super) fn max_object(max_event_bytes: usize) -> usize {
    JSON_EXPANSION * max_event_bytes + JSON_ALLOWANCE
}

/// Longest JSON that publishes.
pub(super) fn max_json(broadcaster: &Broadcaster) -> usize {
    let max_event = broadcaster.options().max_event_bytes;
    broadcaster.max_batch_bytes().max(max_object(max_event))
}

pub(super) async fn read_whole(
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
    let deadline = Instant::now() + BODY_TIMEOUT;
    loop {
        let part = timeout_at(deadline.min(Instant::now() + PART_TIMEOUT), body.next());
        let part = part.await.map_err(|_| {
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

pub(super) fn incomplete() -> Problem {
    Problem::bad_request("incomplete_body", "the body ended before it was complete")
}

pub(super) fn text(body: Vec<u8>) -> Result<String, Problem> {
    String::from_utf8(body).map_err(|_| not_utf8("the body"))
}

/// What `curl -d` sends unasked is a form by name; text without any `=` means itself.
pub(super) fn form(body: &[u8]) -> Result<Fields, Problem> {
    let unmarked = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    if matches!(unmarked.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return Err(Problem::unprocessable(
            "looks_like_json",
            "this looks like JSON but came as a form; add the header: \
             -H 'Content-Type: application/json'",
        ));
    }
    if body.contains(&b'=') {
        return Fields::of_form(unmarked);
    }
    Ok(Fields::of_text(text(body.to_vec())?))
}

/// The objects of a JSON body, and whether it was an array.
pub(super) fn objects(body: &[u8]) -> Result<(Vec<Fields>, bool), Problem> {
    let body = json_text(body, "the body")?;
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

/// Text that is JSON, without the byte order mark that may stand before it (RFC 8259, section 8.1).
pub(super) fn json_text<'a>(json: &'a [u8], what: &str) -> Result<&'a str, Problem> {
    let json = json.strip_prefix(BYTE_ORDER_MARK).unwrap_or(json);
    std::str::from_utf8(json).map_err(|_| not_utf8(what))
}

pub(super) fn object(text: &str) -> Result<Fields, Problem> {
    Fields::of_json(&raw(text)?)
}

/// Any one JSON value.
pub(super) fn raw(text: &str) -> Result<Box<RawValue>, Problem> {
    serde_json::from_str(text).map_err(|e| not_json(&e))
}

fn not_json(error: &serde_json::Error) -> Problem {
    Problem::bad_request(
        "invalid_json",
        format!("not valid JSON: {error}; send {JSON_LINE}"),
    )
}
