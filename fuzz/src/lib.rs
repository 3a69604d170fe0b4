//! The targets that need the public API alone; those of private parsers are in the `fuzzing` module of the crate
//! that has the parser. `scripts/test-fuzz` runs them. A panic is a finding.

use sse_broadcaster::{
    EventId, Selector, Topic,
    event::{EventName, IdempotencyKey},
};
use sse_broadcaster_http::{PageRequest, SignalsRequest, StreamRequest, last_event_id, query};
use sse_broadcaster_signals::{Patch, SignalName};

/// An event id has one text; and names that were accepted are those that were given.
pub fn event_id(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(id) = text.parse::<EventId>() {
        assert_eq!(id.to_string(), text);
        assert!(IdempotencyKey::new(text).is_err(), "{text}");
    }
    if let Ok(topic) = Topic::new(text) {
        assert_eq!(topic.as_str(), text);
        assert!(!text.chars().any(char::is_control));
    }
    if let Ok(name) = EventName::new(text) {
        assert_eq!(name.as_str(), text);
        assert!(!text.chars().any(char::is_control));
    }
    let _ = SignalName::new(text);
    let _ = Selector::topics(&text.split('\n').collect::<Vec<_>>());
}

/// A query, a line feed, and `Last-Event-ID`: of a stream, a page of history and a stream of signals.
pub fn stream_request(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n');
    let (text, id) = match end {
        Some(end) => (&input[..end], Some(&input[end + 1..])),
        None => (input, None),
    };
    let _ = query::lossy_pairs(text).count();
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let _ = StreamRequest::read(text, id);
    let _ = PageRequest::read(text, id);
    let _ = SignalsRequest::read(text, id);
    let _ = last_event_id(text, id);
}

/// A document, a line feed, and a patch of either kind.
pub fn signal_patch(input: &[u8]) {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let (document, patch) = (&input[..end], &input[end + 1..]);
    let Ok(document) = serde_json::from_slice::<serde_json::Value>(document) else {
        return;
    };
    for patch in [Patch::json_patch(patch), Patch::merge_patch(patch)] {
        if let Ok(Ok(patched)) = patch.map(|patch| patch.apply(document.clone())) {
            assert!(serde_json::to_string(&patched).is_ok());
        }
    }
}
