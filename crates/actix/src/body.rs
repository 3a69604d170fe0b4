//! What a publish's body says, by its type.

use std::{fmt, sync::Arc};

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap},
    web::{BytesMut, Payload},
};
use serde::{
    Deserializer,
    de::{self, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    fields::{Fields, JSON_LINE, not_utf8},
    uploads::{Await, Upload, Uploads},
};
use sse_broadcaster::broadcaster::Broadcaster;
use sse_broadcaster_http::Refusal;

/// Of UTF-8. Windows' editors and some libraries write it before text.
pub const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
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
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
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

pub(super) fn check_coding(headers: &HeaderMap) -> Result<(), Refusal> {
    let coding = headers.get(header::CONTENT_ENCODING);
    if coding.is_some_and(|coding| coding != "identity") {
        return Err(unsupported(
            "a compressed body is not taken; send it as it is",
        ));
    }
    Ok(())
}

pub(super) fn unsupported(detail: &str) -> Refusal {
    Refusal::unsupported_media_type(detail)
}

pub(super) fn max_object(max_event_bytes: usize) -> usize {
    JSON_EXPANSION * max_event_bytes + JSON_ALLOWANCE
}

/// Longest JSON that publishes.
#[must_use]
pub fn max_json(broadcaster: &Broadcaster) -> usize {
    let max_event = broadcaster.options().max_event_bytes;
    broadcaster.max_batch_bytes().max(max_object(max_event))
}

/// A whole body, which counts as an upload until it is dropped.
pub(super) struct Whole {
    pub(super) bytes: BytesMut,
    pub(super) upload: Upload,
}

pub(super) async fn read_whole(
    request: &HttpRequest,
    mut body: Payload,
    max: usize,
    uploads: &Arc<Uploads>,
) -> Result<Whole, Refusal> {
    let too_large = || Refusal::too_large(format!("the body is larger than {max} bytes"));
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: usize| length > max) {
        return Err(too_large());
    }
    let mut bytes = BytesMut::new();
    let mut upload = Upload::begin(uploads);
    while let Some(part) = upload.next(&mut body, Await::Rest).await? {
        upload.check_age()?;
        if bytes.len() + part.len() > max {
            return Err(too_large());
        }
        upload.hold(bytes.len() + part.len())?;
        bytes.extend_from_slice(&part);
    }
    Ok(Whole { bytes, upload })
}

pub(super) fn incomplete() -> Refusal {
    Refusal::bad_request("incomplete_body", "the body ended before it was complete")
}

pub(super) fn text(body: Vec<u8>) -> Result<String, Refusal> {
    String::from_utf8(body).map_err(|_| not_utf8("the body"))
}

/// What `curl -d` sends unasked is a form by name; text without any `=` means itself.
pub(super) fn form(body: &[u8]) -> Result<Fields, Refusal> {
    let unmarked = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    if matches!(unmarked.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return Err(Refusal::unprocessable(
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

/// The objects of a JSON body, at most so many, and whether it was an array. Those past the bound are not
/// read: each takes many times its text.
///
/// # Errors
/// 400 for text that is no JSON; 413 for too many objects; 422 for a member that cannot be.
pub fn objects(body: &[u8], max: usize) -> Result<(Vec<Fields>, bool), Refusal> {
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

/// Reads the events of an array one by one, up to the first that is refused.
struct Array {
    max: usize,
    fields: Vec<Fields>,
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
        self.fields.push(Fields::of_json(object)?);
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

/// Text that is JSON, without the byte order mark that may stand before it (RFC 8259, section 8.1).
pub(super) fn json_text<'a>(json: &'a [u8], what: &str) -> Result<&'a str, Refusal> {
    let json = json.strip_prefix(BYTE_ORDER_MARK).unwrap_or(json);
    std::str::from_utf8(json).map_err(|_| not_utf8(what))
}

pub(super) fn object(text: &str) -> Result<Fields, Refusal> {
    Fields::of_json(raw(text)?)
}

/// Any one JSON value.
///
/// # Errors
/// 400 for text that is no JSON.
pub fn raw(text: &str) -> Result<&RawValue, Refusal> {
    serde_json::from_str(text).map_err(|e| not_json(&e))
}

fn not_json(error: &serde_json::Error) -> Refusal {
    Refusal::bad_request(
        "invalid_json",
        format!("not valid JSON: {error}; send {JSON_LINE}"),
    )
}
