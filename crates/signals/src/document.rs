use serde_json::Value;

use super::{SignalError, numbers::check_integers};
use sse_broadcaster::event::{EventId, Invalid};

/// Longest document, in bytes of compact JSON; less where an event may have less than four times of it.
pub const MAX_DOCUMENT_BYTES: usize = 250_000;
/// Deepest nesting of arrays and objects.
pub const MAX_DEPTH: usize = 64;
/// What the event of a change has beside the new document, which it may hold in two languages, and the
/// names of what the old one had, each with a `null`.
const CHANGE_OVERHEAD_BYTES: usize = 1 << 10;

/// A document, and since when it is so.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Document {
    /// Any JSON value but with integers of 64 bits at most.
    pub value: Value,
    /// The position of its last change.
    pub version: EventId,
}

/// Longest document where the data of an event may have so many bytes.
pub(super) fn max_bytes(max_event_bytes: usize) -> usize {
    let quarter = max_event_bytes.saturating_sub(CHANGE_OVERHEAD_BYTES) / 4;
    quarter.min(MAX_DOCUMENT_BYTES)
}

/// JSON text of a writer as a value.
///
/// # Errors
/// When it is no JSON, nests too deeply, or holds an integer beyond 64 bits.
pub fn parse(text: &[u8]) -> Result<Value, SignalError> {
    let value = read(text)?;
    check_integers(text)?;
    Ok(value)
}

/// JSON text as a value.
pub(super) fn read(text: &[u8]) -> Result<Value, SignalError> {
    // A byte order mark may stand before it (RFC 8259, section 8.1).
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

/// How deeply arrays and objects are nested. Of what was parsed, or is within [`MAX_DEPTH`] already,
/// so that it does not exhaust the stack.
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
    fn what_is_too_deep_or_too_long_or_no_json_is_refused() {
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
