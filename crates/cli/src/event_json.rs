//! Events as the JSON objects that `POST /events` accepts.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// The fields that the command line sets for every event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EventFields<'a> {
    pub(crate) topics: &'a [String],
    pub(crate) event: Option<&'a str>,
    pub(crate) private: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct EventJson<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) topics: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) topic: Option<&'a str>,
    /// The idempotency key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<&'a str>,
    pub(crate) data: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) private: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) finish: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) traceparent: Option<&'a str>,
}

impl<'a> EventJson<'a> {
    /// An event whose data is `data`, a JSON string.
    pub(crate) fn new(fields: EventFields<'a>, id: Option<&'a str>, data: &'a RawValue) -> Self {
        Self {
            topics: fields.topics,
            topic: None,
            id,
            event: fields.event,
            data,
            retry: None,
            private: fields.private,
            finish: false,
            traceparent: None,
        }
    }
}

/// The body of a request that publishes these texts: an object for one, an array for several, which is
/// published as a whole.
pub(crate) fn body_of_texts(fields: EventFields, texts: &[String]) -> serde_json::Result<String> {
    let event = |text: &String| {
        let data = to_raw_value(text)?;
        serde_json::to_string(&EventJson::new(fields, None, &data))
    };
    let events = texts
        .iter()
        .map(event)
        .collect::<serde_json::Result<Vec<_>>>()?;
    Ok(match events.as_slice() {
        [event] => event.clone(),
        events => format!("[{}]", events.join(",")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_is_an_object_and_several_are_an_array() {
        let fields = EventFields {
            topics: &[],
            event: None,
            private: false,
        };
        let texts = ["a".to_owned(), "b".to_owned()];
        let body = |texts| body_of_texts(fields, texts).unwrap();
        assert_eq!(body(&texts[..1]), r#"{"data":"a"}"#);
        assert_eq!(body(&texts), r#"[{"data":"a"},{"data":"b"}]"#);
    }
}
