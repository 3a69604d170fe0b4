//! Values as TOML has them.

use crate::config::Kind;

/// A setting's values: a list where there may be several.
pub(super) fn values(kind: &Kind, is_repeatable: bool, values: &[String]) -> String {
    let mut texts = values.iter().map(|text| value(kind, text));
    if is_repeatable {
        return format!("[{}]", texts.collect::<Vec<_>>().join(", "));
    }
    texts.next().unwrap_or_default()
}

fn value(kind: &Kind, value: &str) -> String {
    let is_bare = match kind {
        Kind::Switch => true,
        Kind::Number | Kind::Size => value.parse::<u64>().is_ok(),
        Kind::Duration | Kind::Choice(_) | Kind::Text => false,
    };
    if is_bare {
        return value.to_owned();
    }
    quoted(value)
}

/// A basic string of TOML: JSON's escapes are among its own, but it allows no DEL.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text)
        .to_string()
        .replace('\u{7f}', "\\u007f")
}
