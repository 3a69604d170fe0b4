use serde::Serialize;

/// JSON with a final line feed, so that a terminal's prompt begins a line of its own. Empty for a value that
/// cannot be written as JSON.
pub fn json_line(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string(value).unwrap_or_default();
    text.push('\n');
    text
}
