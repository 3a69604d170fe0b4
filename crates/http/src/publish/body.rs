//! The body of a publish, by its type.

use std::fmt;

use serde::{
    Deserializer,
    de::{self, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{json::JSON_LINE, request::PublishRequest};
use crate::{Refusal, RequestHead, request::visible_text};
use sse_broadcaster::broadcaster::Broadcaster;

/// The byte order mark of UTF-8. Editors on Windows and some libraries write it before text.
pub(super) const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// JSON may write a byte as `\u0000`.
const JSON_EXPANSION: usize = 6;
/// For topics and the names of members.
const JSON_ALLOWANCE: usize = 64 << 10;

/// The kinds of body, by `Content-Type`.
#[derive(Clone, Copy)]
pub(crate) enum BodyKind {
    Text,
    Form,
    Json,
    Lines,
}

impl BodyKind {
    pub(crate) fn of(request: &impl RequestHead) -> Result<Self, Refusal> {
        let Some(media_type) = MediaType::of(request) else {
            return Ok(Self::Text);
        };
        let charset = media_type
            .parameters()
            .split(';')
            .find_map(|p| p.trim().strip_prefix("charset="));
        if charset
            .is_some_and(|set| !matches!(set.trim_matches('"'), "utf-8" | "utf8" | "us-ascii"))
        {
            return Err(Refusal::unsupported_media_type(
                "only UTF-8 is accepted; leave the charset out",
            ));
        }
        match media_type.essence() {
            "" => Ok(Self::Text),
            "application/x-www-form-urlencoded" => Ok(Self::Form),
            "application/json" => Ok(Self::Json),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Self::Lines),
            text if text.starts_with("text/") => Ok(Self::Text),
            json if json.ends_with("+json") => Ok(Self::Json),
            _ => Err(Refusal::unsupported_media_type(
                "this content type cannot be published; use application/json, \
                 application/x-ndjson, application/x-www-form-urlencoded or text/plain",
            )),
        }
    }
}

/// The media type of a body with its parameters, in lower case.
pub(crate) struct MediaType(String);

impl MediaType {
    /// `None` without a `Content-Type`.
    pub(crate) fn of(request: &impl RequestHead) -> Option<Self> {
        let bytes = request.header("content-type")?;
        let value = match visible_text(bytes) {
            "" if !bytes.is_empty() => "?",
            text => text,
        };
        Some(Self(value.to_ascii_lowercase()))
    }

    /// The type and subtype, for example `text/plain`.
    pub(crate) fn essence(&self) -> &str {
        let end = self.0.find(';').unwrap_or(self.0.len());
        self.0[..end].trim()
    }

    fn parameters(&self) -> &str {
        self.0
            .split_once(';')
            .map_or("", |(_, parameters)| parameters)
    }
}

pub(crate) fn max_object(max_event_bytes: usize) -> usize {
    JSON_EXPANSION * max_event_bytes + JSON_ALLOWANCE
}

/// The longest JSON body or WebSocket message that publishes, in bytes.
#[must_use]
pub fn max_json(broadcaster: &Broadcaster) -> usize {
    let max_event = broadcaster.options().max_event_bytes;
    broadcaster.max_batch_bytes().max(max_object(max_event))
}

pub(crate) fn text(body: Vec<u8>) -> Result<String, Refusal> {
    String::from_utf8(body).map_err(|_| Refusal::not_utf8("the body"))
}

/// `curl -d` sends everything as a form: text without any `=` is the data.
pub(crate) fn form(body: &[u8]) -> Result<PublishRequest, Refusal> {
    let unmarked = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    if matches!(unmarked.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return Err(Refusal::unprocessable(
            "looks_like_json",
            "this looks like JSON but was sent as a form; add the header: \
             -H 'Content-Type: application/json'",
        ));
    }
    if body.contains(&b'=') {
        return PublishRequest::from_form(unmarked);
    }
    Ok(PublishRequest::from_text(text(body.to_vec())?))
}

/// The events of a JSON body, and whether it was an array. Events after the `max`-th are not parsed, since each takes
/// many times the memory of its text.
///
/// # Errors
/// 400 for text that is not JSON; 413 for more than `max` events; 422 for a member that is not valid.
pub(crate) fn objects(body: &[u8], max: usize) -> Result<(Vec<PublishRequest>, bool), Refusal> {
    let body = json_text(body, "the body")?;
    if !body.trim_start().starts_with('[') {
        return Ok((vec![object(body)?], false));
    }
    let mut array = Array {
        max,
        fields: Vec::new(),
        refused: None,
    };
    let mut json = serde_json::Deserializer::from_str(body);
    let read = array.deserialize(&mut json).and_then(|()| json.end());
    if let Some(problem) = array.refused {
        return Err(problem);
    }
    read.map_err(|error| not_json(&error))?;
    if array.fields.is_empty() {
        let detail = format!("the array is empty; send [{JSON_LINE}]");
        return Err(Refusal::unprocessable("no_data", detail));
    }
    Ok((array.fields, true))
}

/// Parses the events of an array one by one, up to the first that is refused.
struct Array {
    max: usize,
    fields: Vec<PublishRequest>,
    refused: Option<Refusal>,
}

impl Array {
    fn deserialize<'de, D: Deserializer<'de>>(&mut self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }

    fn add(&mut self, object: &RawValue) -> Result<(), Refusal> {
        if self.fields.len() >= self.max {
            let detail = format!(
                "the array holds more than {} events; send it in parts",
                self.max
            );
            return Err(Refusal::too_large(detail));
        }
        self.fields.push(PublishRequest::from_json(object)?);
        Ok(())
    }
}

impl<'de> Visitor<'de> for &mut Array {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(object) = seq.next_element::<&RawValue>()? {
            if let Err(problem) = self.add(object) {
                self.refused = Some(problem);
                return Err(de::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

/// The text without a byte order mark (RFC 8259, section 8.1); `what` names it in the refusal.
pub(crate) fn json_text<'a>(json: &'a [u8], what: &str) -> Result<&'a str, Refusal> {
    let json = json.strip_prefix(BYTE_ORDER_MARK).unwrap_or(json);
    std::str::from_utf8(json).map_err(|_| Refusal::not_utf8(what))
}

pub(crate) fn object(text: &str) -> Result<PublishRequest, Refusal> {
    PublishRequest::from_json(raw(text)?)
}

/// # Errors
/// 400 for text that is not one JSON value.
pub(super) fn raw(text: &str) -> Result<&RawValue, Refusal> {
    serde_json::from_str(text).map_err(|e| not_json(&e))
}

fn not_json(error: &serde_json::Error) -> Refusal {
    Refusal::bad_request(
        "invalid_json",
        format!("not valid JSON: {error}; send {JSON_LINE}"),
    )
}
