//! What responses have in common, whichever framework sends them.

use serde::Serialize;

/// The headers that every stream's response begins with.
pub const STREAM_HEADERS: [(&str, &str); 4] = [
    ("content-type", "text/event-stream"),
    ("cache-control", "no-cache, no-transform"),
    ("x-accel-buffering", "no"),
    NO_SNIFF,
];
/// A header of every response: its type is what it is, whatever its first bytes look like to a browser.
pub const NO_SNIFF: (&str, &str) = ("x-content-type-options", "nosniff");
/// The header of a stream that names history's head.
pub const EVENT_HEAD: &str = "event-head";

/// JSON that leaves a terminal at the beginning of a line.
pub fn json_line(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string(value).unwrap_or_default();
    text.push('\n');
    text
}
