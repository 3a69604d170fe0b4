use serde_json::Value;

use super::{SignalError, numbers::check_integers};
use sse_broadcaster::event::{EventId, Invalid};

/// Longest document, in bytes of compact JSON; a quarter of the longest event where that is less.
pub const MAX_DOCUMENT_BYTES: usize = 250_000;
/// Deepest nesting of arrays and objects.
pub const MAX_DEPTH: usize = 64;
/// Most bytes that the event of a change has beside the new document, which it may hold in two formats, and
/// the names of the old one's members, each with a `null`.
const CHANGE_OVERHEAD_BYTES: usize = 1 << 10;

/// A document and its version.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Document {
    /// Any JSON value, with integers of at most 64 bits.
    pub value: Value,
    /// The position of its last change.
    pub version: EventId,
}

/// Longest document where the data of an event has at most `max_event_bytes`.
pub(super) fn max_bytes(max_event_bytes: usize) -> usize {
    let quarter = max_event_bytes.saturating_sub(CHANGE_OVERHEAD_BYTES) / 4;
    quarter.min(MAX_DOCUMENT_BYTES)
}

/// Parses a JSON document as a writer sends it: UTF-8, with or without a byte order mark.
///
/// # Errors
/// `invalid_json` for text that is not JSON, or nested more than 127 levels; `integer_too_large` for an
/// integer beyond 64 bits.
///
/// ```
/// use sse_broadcaster_signals::parse;
///
/// assert_eq!(parse(b"{\"n\":1}").unwrap()["n"], 1);
/// assert_eq!(parse(b"{").unwrap_err().code(), "invalid_json");
/// assert_eq!(parse(b"18446744073709551616").unwrap_err().code(), "integer_too_large");
/// ```
pub fn parse(text: &[u8]) -> Result<Value, SignalError> {
    let value = read(text)?;
    check_integers(text)?;
    Ok(value)
}

/// Parses a stored document, whose integers were checked when it was written.
pub(super) fn read(text: &[u8]) -> Result<Value, SignalError> {
    // Parsers may ignore a byte order mark (RFC 8259, section 8.1).
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    serde_json::from_slice(text).map_err(|error| {
        SignalError::NotJson(format!(
            "not valid JSON: {error}; send one JSON value, like {{\"value\":1}}"
        ))
    })
}

/// The value as compact JSON, if it is within the bounds.
pub(super) fn write(value: &Value, max_bytes: usize) -> Result<String, SignalError> {
    if depth(value) > MAX_DEPTH {
        return Err(too_deep());
    }
    let text = value.to_string();
    if text.len() > max_bytes {
        return Err(SignalError::TooLarge { max: max_bytes });
    }
    Ok(text)
}

pub(super) fn too_deep() -> SignalError {
    let detail = format!("the document is nested deeper than {MAX_DEPTH} levels");
    SignalError::Invalid(Invalid::new("too_deep", detail))
}

/// How deeply arrays and objects are nested. Call it only for parsed values, or those within [`MAX_DEPTH`]:
/// deeper ones could exhaust the stack.
pub(super) fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_that_is_too_deep_too_long_or_not_json_is_rejected() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let parsed = |text: &str| parse(text.as_bytes());
        assert!(write(&parsed(&nested(MAX_DEPTH)).unwrap(), 1_000).is_ok());
        let refused = write(&parsed(&nested(MAX_DEPTH + 1)).unwrap(), 1_000).unwrap_err();
        assert_eq!(refused.code(), "too_deep");
        assert_eq!(parsed(&nested(100_000)).unwrap_err().code(), "invalid_json");
        assert_eq!(parsed("{").unwrap_err().code(), "invalid_json");
        let refused = write(&parsed("\"four\"").unwrap(), 5).unwrap_err();
        assert_eq!(refused.code(), "too_large");
    }
}
