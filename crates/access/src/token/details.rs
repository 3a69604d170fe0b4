//! `authorization_details` (RFC 9396) of Mercure 1.0. One bad entry makes the token invalid: its author
//! meant something else than what would be granted.

use serde_json::{Map, Value};

use crate::pattern::{BaseUrl, MAX_MATCHERS, Pattern, PatternSet};

use super::{TokenError, topics::Topics};

pub(super) const CLAIM: &str = "authorization_details";
const TYPE: &str = "https://mercure.rocks/authorization-detail";
/// Most entries, of any type.
const MAX_DETAILS: usize = 100;

pub(super) fn read(
    claims: &Map<String, Value>,
    base: Option<&BaseUrl>,
    topics: &mut Topics,
) -> Result<(), TokenError> {
    let Some(details) = claims.get(CLAIM) else {
        return Ok(());
    };
    read_all(details, base, topics).map_err(|why| TokenError::claim(CLAIM, why))
}

fn read_all(details: &Value, base: Option<&BaseUrl>, topics: &mut Topics) -> Result<(), String> {
    let details = details.as_array().ok_or("is not an array")?;
    if details.len() > MAX_DETAILS {
        let count = details.len();
        return Err(format!(
            "has {count} entries; at most {MAX_DETAILS} are allowed"
        ));
    }
    let mut count = 0;
    for (at, detail) in details.iter().enumerate() {
        let in_entry = |why: String| format!("is invalid in entry {}: {why}", at + 1);
        let detail = detail.as_object().ok_or("it is not an object".to_owned());
        let detail = detail.map_err(in_entry)?;
        match detail.get("type") {
            Some(Value::String(kind)) if kind == TYPE => {}
            Some(Value::String(_)) => continue,
            _ => return Err(in_entry("it has no \"type\"".to_owned())),
        }
        let patterns = matchers(detail, base).map_err(in_entry)?;
        count += patterns.len();
        if count > MAX_MATCHERS {
            return Err(format!("has more than {MAX_MATCHERS} topics"));
        }
        add(detail, patterns, topics).map_err(in_entry)?;
    }
    Ok(())
}

fn add(
    detail: &Map<String, Value>,
    patterns: Vec<Pattern>,
    topics: &mut Topics,
) -> Result<(), String> {
    let actions = actions(detail)?;
    let payload = match detail.get("payload") {
        None => Value::Null,
        Some(payload) if payload.is_object() => payload.clone(),
        Some(_) => return Err("its \"payload\" is not an object".to_owned()),
    };
    if actions.contains(&"subscribe") {
        let set = PatternSet::new(patterns.clone()).map_err(|why| why.to_string())?;
        topics.payloads.push((set, payload));
        topics.subscribe.extend(patterns.clone());
    }
    if actions.contains(&"publish") {
        topics.publish.extend(patterns);
    }
    Ok(())
}

/// Unknown ones grant nothing.
fn actions(detail: &Map<String, Value>) -> Result<Vec<&str>, String> {
    let wrong = || "its \"actions\" are not a list of names".to_owned();
    let actions = detail.get("actions").and_then(Value::as_array);
    let actions = actions.filter(|actions| !actions.is_empty());
    let actions = actions.ok_or_else(wrong)?.iter();
    actions
        .map(|action| action.as_str().filter(|name| !name.is_empty()))
        .collect::<Option<_>>()
        .ok_or_else(wrong)
}

fn matchers(detail: &Map<String, Value>, base: Option<&BaseUrl>) -> Result<Vec<Pattern>, String> {
    let topics = detail.get("topics").and_then(Value::as_array);
    let topics = topics.filter(|topics| !topics.is_empty());
    let topics = topics.ok_or("its \"topics\" are not a list of objects")?;
    if topics.len() > MAX_MATCHERS {
        return Err(format!("it has more than {MAX_MATCHERS} topics"));
    }
    topics.iter().map(|topic| matcher(topic, base)).collect()
}

fn matcher(topic: &Value, base: Option<&BaseUrl>) -> Result<Pattern, String> {
    let topic = topic.as_object().ok_or("a topic is not an object")?;
    let text = topic.get("match").and_then(Value::as_str);
    let text = text.ok_or("a topic has no text \"match\"")?;
    let is_url_pattern = match topic.get("match_type").map(Value::as_str) {
        None | Some(Some("exact")) => false,
        Some(Some("urlpattern")) => true,
        Some(_) => return Err("a topic has an unknown \"match_type\"".to_owned()),
    };
    let pattern = match text {
        "*" => Ok(Pattern::all()),
        text if is_url_pattern => Pattern::url_pattern(text, base),
        text => Pattern::exact(text),
    };
    pattern.map_err(|why| why.to_string())
}
