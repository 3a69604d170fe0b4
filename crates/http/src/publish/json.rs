//! Parses the JSON objects of events member by member: repeats are found, and the memory is bounded.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::Refusal;
use sse_broadcaster::event::MAX_TOPICS;

/// An example of an event as JSON, for refusals.
pub(super) const JSON_LINE: &str = r#"{"topic":"news","event":"update","data":"hello"}"#;

/// The data of an event: a string as it is, anything else as compact JSON.
pub(super) fn data_of(json: &str) -> Result<String, Refusal> {
    if json.starts_with('"') {
        // The JSON is valid; only a lone surrogate, for which UTF-8 has no bytes, cannot be a string.
        return serde_json::from_str(json).map_err(|_| Refusal::not_utf8("data"));
    }
    Ok(compact(json))
}

/// Valid JSON without the white space between its tokens; numbers stay as they are written.
fn compact(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    json.chars()
        .filter(|c| {
            if in_string {
                in_string = escaped || *c != '"';
                escaped = !escaped && *c == '\\';
                return true;
            }
            in_string = *c == '"';
            !c.is_ascii_whitespace()
        })
        .collect()
}

/// A member of an object: its name and value.
pub(super) type Member<'a> = (String, &'a RawValue);

/// More members than an object has whose members are all known and not repeated.
const MAX_MEMBERS: usize = 32;

/// The members of an object, in order and with repeats. Those after the 32nd are left out, since one of the first 32
/// must be unknown or repeated, and so is refused.
///
/// # Errors
/// 422 for a value that is not an object.
pub(super) fn members(object: &RawValue) -> Result<Vec<Member<'_>>, Refusal> {
    let Ok(Object(members)) = serde_json::from_str(object.get()) else {
        let detail = format!("an event is an object, for example {JSON_LINE}");
        return Err(Refusal::unprocessable("invalid_event_object", detail));
    };
    Ok(members)
}

struct Object<'a>(Vec<Member<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<Member<'de>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                    if members.len() == MAX_MEMBERS {
                        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                        break;
                    }
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Members).map(Object)
    }
}

/// The first strings of an array, up to one more than an event may have topics.
pub(super) struct Topics(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Topics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strings;
        impl<'de> Visitor<'de> for Strings {
            type Value = Topics;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of strings")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Topics, A::Error> {
                let mut topics = Vec::new();
                while topics.len() <= MAX_TOPICS
                    && let Some(topic) = seq.next_element()?
                {
                    topics.push(topic);
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Topics(topics))
            }
        }
        deserializer.deserialize_seq(Strings)
    }
}

/// 422 for a field that is given twice.
#[must_use]
pub(super) fn twice(name: &str) -> Refusal {
    Refusal::unprocessable(
        "duplicate_field",
        format!("{name} is given twice; give it once, in the query or in the body: {JSON_LINE}"),
    )
}

/// 422 for a member of the wrong type; `right` describes the right one.
#[must_use]
pub(super) fn wrong_type(name: &str, right: &str) -> Refusal {
    Refusal::unprocessable("wrong_type", format!("{name} is {right}: {JSON_LINE}"))
}
