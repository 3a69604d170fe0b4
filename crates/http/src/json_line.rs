use serde::Serialize;

/// JSON that leaves a terminal at the beginning of a line.
pub fn json_line(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string(value).unwrap_or_default();
    text.push('\n');
    text
}
