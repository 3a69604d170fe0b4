//! Topics in the settings: texts, patterns, and JSON as in a token.

use serde_json::Value;
use sse_broadcaster_access::{Pattern, PatternSet};

use super::{BadSetting, Given};

/// The topics of a setting, given by its flag without the dashes. The variable separates several by commas that are
/// not within braces.
///
/// # Errors
/// What is no pattern.
pub(super) fn topic_patterns(
    flag: &str,
    texts: &[String],
    given: &Given,
) -> Result<PatternSet, BadSetting> {
    let by_variable = given.by_variable(flag);
    let texts = texts.iter().flat_map(|text| {
        if by_variable {
            split_outside_braces(text)
        } else {
            vec![text.as_str()]
        }
    });
    let bad = |why| BadSetting(format!("--{flag}: {why}"));
    let patterns = texts
        .map(|text| topic_pattern(text).map_err(bad))
        .collect::<Result<Vec<_>, _>>()?;
    PatternSet::new(patterns).map_err(|why| bad(why.to_string()))
}

/// A pattern as a flag has it: a text, or JSON as in a token.
///
/// # Errors
/// Why it is no pattern.
pub(super) fn topic_pattern(text: &str) -> Result<Pattern, String> {
    let json = topic_json(text)?;
    Pattern::from_json(&json, None).map_err(|why| why.to_string())
}

/// The same as JSON. A template may begin with a brace, too, but not with a quotation mark behind it.
///
/// # Errors
/// JSON that cannot be read, and a text with a `*` that would match no topic.
pub(crate) fn topic_json(text: &str) -> Result<Value, String> {
    if text.starts_with("{\"") {
        return serde_json::from_str(text).map_err(|why| format!("{text} is not JSON: {why}"));
    }
    if text != "*" && has_star_outside_braces(text) {
        return Err(format!(
            "{text} matches nothing, since * stands for all topics only where it is alone: write {{name}} in its place, \
             or {{+path}} if slashes may follow"
        ));
    }
    Ok(Value::from(text))
}

/// Within braces it is a modifier of RFC 6570.
fn has_star_outside_braces(text: &str) -> bool {
    text.contains(outside_braces('*'))
}

pub(super) fn split_outside_braces(text: &str) -> Vec<&str> {
    let parts = text.split(outside_braces(',')).map(str::trim);
    parts.filter(|part| !part.is_empty()).collect()
}

/// Whether a character is this one and not within braces; to be asked for each one in turn.
fn outside_braces(wanted: char) -> impl FnMut(char) -> bool {
    let mut depth = 0_usize;
    move |char| {
        match char {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        char == wanted && depth == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protected_topics_of_a_variable_are_separated_by_commas_outside_of_braces() {
        assert_eq!(
            split_outside_braces("news, users/{id,name},,{\"urlpattern\":\"/a,b\"}"),
            ["news", "users/{id,name}", "{\"urlpattern\":\"/a,b\"}"]
        );
        assert!(topic_pattern("users/{id}").unwrap().matches("users/17"));
        assert!(topic_pattern("{+all}").unwrap().matches("a/b"));
        let urls = topic_pattern("{\"urlpattern\":\"https://example.com/:id\"}").unwrap();
        assert!(urls.matches("https://example.com/17"));
        for wrong in ["", "{\"urlpattern\":\"/x\"", "{\"pattern\":\"x\"}"] {
            assert!(topic_pattern(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_star_that_would_match_no_topic_is_rejected_with_what_was_meant() {
        for wrong in ["users/*", "*/news", "**", "users/{id}/*"] {
            let why = topic_pattern(wrong).unwrap_err();
            assert!(why.contains(wrong) && why.contains("write {name}"), "{why}");
        }
        for right in ["*", "users/{id*}", "{\"exact\":\"users/*\"}"] {
            assert!(topic_pattern(right).is_ok(), "{right}");
        }
    }
}
