//! Lines of standard input, as `publish` sends them.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::{RawValue, to_raw_value};

use crate::{
    event_json::{EventFields, EventJson},
    signal_line::{SignalLine, is_signal_line},
};
use sse_broadcaster::event::EventId;

/// One line as the body of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InputLine {
    /// A line of NDJSON with its line end; for a signal, its document.
    pub(crate) body: Vec<u8>,
    /// It may be sent twice: an event with an idempotency key is stored once.
    pub(crate) is_repeatable: bool,
    /// The name of the signal; `None` for an event.
    pub(crate) signal: Option<String>,
}

/// The fields of an event as `subscribe --json` writes them, and as `POST /events` accepts them.
#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "an object with the fields of an event"
)]
struct IncomingEvent {
    id: Option<String>,
    #[serde(rename = "own_id")]
    idempotency_key: Option<String>,
    #[serde(default)]
    topics: Vec<String>,
    topic: Option<String>,
    event: Option<String>,
    data: Box<RawValue>,
    retry: Option<u64>,
    #[serde(default)]
    private: bool,
    #[serde(default)]
    finish: bool,
    traceparent: Option<String>,
    #[serde(rename = "time")]
    _time: Option<IgnoredAny>,
}

impl InputLine {
    /// A line of text as an event with this idempotency key.
    ///
    /// # Errors
    /// Why the line is not text.
    pub(crate) fn from_text(
        fields: EventFields,
        line: &[u8],
        key: Option<&str>,
    ) -> Result<Self, String> {
        let text = str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?;
        let data = to_raw_value(text).map_err(|error| error.to_string())?;
        Self::from_event(&EventJson::new(fields, key, &data))
    }

    /// A line of JSON as an event or a signal. Its idempotency key is kept, its position is not. An event
    /// with neither gets this key; a copy of an event that had no key stays without one.
    ///
    /// # Errors
    /// Why the line is neither an event nor a signal.
    pub(crate) fn from_json(line: &[u8], key: Option<&str>) -> Result<Self, String> {
        if is_signal_line(line) {
            let line = serde_json::from_slice(line).map_err(|error| without_line(&error))?;
            return Ok(Self::from_signal(&line));
        }
        let incoming: IncomingEvent =
            serde_json::from_slice(line).map_err(|error| without_line(&error))?;
        let id = incoming.id.as_deref();
        let not_a_position = id.filter(|id| id.parse::<EventId>().is_err());
        let own_key = incoming.idempotency_key.as_deref().or(not_a_position);
        Self::from_event(&EventJson {
            topics: &incoming.topics,
            topic: incoming.topic.as_deref(),
            id: own_key.or(key.filter(|_| id.is_none())),
            event: incoming.event.as_deref(),
            data: &incoming.data,
            retry: incoming.retry,
            private: incoming.private,
            finish: incoming.finish,
            traceparent: incoming.traceparent.as_deref(),
        })
    }

    fn from_event(event: &EventJson) -> Result<Self, String> {
        let mut body = serde_json::to_vec(event).map_err(|error| error.to_string())?;
        body.push(b'\n');
        Ok(Self {
            body,
            is_repeatable: event.id.is_some(),
            signal: None,
        })
    }

    /// Setting a signal twice to the same document changes nothing.
    fn from_signal(line: &SignalLine) -> Self {
        Self {
            body: line.document.get().as_bytes().to_vec(),
            is_repeatable: true,
            signal: Some(line.signal.clone().into_owned()),
        }
    }
}

/// The parser sees one line only; the number of the line in the input is added by the caller.
fn without_line(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column", " at column")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal_line::signal_line;

    fn copied(line: &str) -> Result<String, String> {
        let line = InputLine::from_json(line.as_bytes(), None)?;
        Ok(String::from_utf8(line.body).unwrap())
    }

    /// The idempotency key that such a line is sent with, where it may get the key `given`.
    fn key(line: &str) -> Option<String> {
        let line = InputLine::from_json(line.as_bytes(), Some("given")).unwrap();
        let sent: serde_json::Value = serde_json::from_slice(&line.body).unwrap();
        let id = sent["id"].as_str().map(str::to_owned);
        assert_eq!(line.is_repeatable, id.is_some());
        id
    }

    #[test]
    fn a_line_without_an_id_gets_an_idempotency_key_and_a_copied_event_keeps_its_own_or_none() {
        assert_eq!(key(r#"{"data":1}"#).unwrap(), "given");
        assert_eq!(key(r#"{"data":1,"own_id":null}"#).unwrap(), "given");
        assert_eq!(key(r#"{"data":1,"id":"mine"}"#).unwrap(), "mine");
        assert_eq!(
            key(r#"{"data":1,"id":"5-1","own_id":"mine"}"#).unwrap(),
            "mine"
        );
        assert_eq!(key(r#"{"data":1,"id":"5-1","own_id":null}"#), None);
    }

    #[test]
    fn a_copied_event_keeps_topics_idempotency_key_name_data_retry_and_privacy_only() {
        let line = r#"{"id":"5-1","own_id":"mine","topics":["b","a"],"event":"e","data":"x\u0000\ny","retry":7,"time":"1970-01-01T00:00:01.000Z"}"#;
        assert_eq!(
            copied(line).unwrap(),
            "{\"topics\":[\"b\",\"a\"],\"id\":\"mine\",\"event\":\"e\",\"data\":\"x\\u0000\\ny\",\"retry\":7}\n"
        );
        let private = copied(r#"{"id":"5-1","topics":["a"],"data":"","private":true,"time":"t"}"#);
        assert_eq!(
            private.unwrap(),
            "{\"topics\":[\"a\"],\"data\":\"\",\"private\":true}\n",
            "a copy of a private event is not public"
        );
        let line = r#"{"id":"5-1","own_id":null,"topics":["a"],"event":null,"data":"","retry":null,"time":"t"}"#;
        assert_eq!(
            copied(line).unwrap(),
            "{\"topics\":[\"a\"],\"data\":\"\"}\n"
        );
    }

    #[test]
    fn an_object_as_post_events_accepts_it_is_an_event() {
        assert_eq!(
            copied(r#" {"topic":"t","id":"order-7","data":{"n": 1.0}} "#).unwrap(),
            "{\"topic\":\"t\",\"id\":\"order-7\",\"data\":{\"n\": 1.0}}\n"
        );
        assert_eq!(copied(r#"{"data":null}"#).unwrap(), "{\"data\":null}\n");
    }

    #[test]
    fn a_line_that_is_no_event_is_rejected_with_the_reason() {
        for (line, why) in [
            (r#"{"id":"5-1"}"#, "missing field `data` at column 12"),
            (r#"{"data":1,"evnt":"x"}"#, "unknown field `evnt`"),
            ("hello", "expected value at column 1"),
            (
                r#""text""#,
                "expected an object with the fields of an event",
            ),
            ("", "EOF while parsing"),
        ] {
            let error = copied(line).unwrap_err();
            assert!(error.contains(why), "{line}: {error}");
        }
    }

    #[test]
    fn a_signal_line_holds_its_document_and_an_event_may_have_data_with_a_member_signal() {
        let document = RawValue::from_string("{\n \"n\": 1.50}".to_owned()).unwrap();
        let text = signal_line("a/\u{e9} \"x\"", &document).unwrap();
        assert!(!text.contains('\n'), "{text}");
        let line = InputLine::from_json(text.as_bytes(), Some("key")).unwrap();
        assert_eq!(line.signal.as_deref(), Some("a/\u{e9} \"x\""));
        assert_eq!(line.body, b"{  \"n\": 1.50}");
        assert!(line.is_repeatable);
        let event = InputLine::from_json(br#"{"data":{"signal":"x","document":1}}"#, None).unwrap();
        assert_eq!(event.signal, None);
        for (line, why) in [
            (r#"{"signal":"x"}"#, "missing field `document`"),
            (r#"{"signal":1,"document":{}}"#, "expected a string"),
            (
                r#"{"signal":"x","document":{},"data":1}"#,
                "unknown field `data`",
            ),
        ] {
            let error = copied(line).unwrap_err();
            assert!(error.contains(why), "{line}: {error}");
        }
    }

    #[test]
    fn a_line_of_text_is_the_data_of_an_event() {
        let topics = ["t".to_owned()];
        let fields = EventFields {
            topics: &topics,
            event: Some("e"),
            private: false,
        };
        let line = InputLine::from_text(fields, "say \"\u{e9}\"\t".as_bytes(), None).unwrap();
        assert!(!line.is_repeatable);
        assert_eq!(
            String::from_utf8(line.body).unwrap(),
            "{\"topics\":[\"t\"],\"event\":\"e\",\"data\":\"say \\\"\u{e9}\\\"\\t\"}\n"
        );
        assert!(
            InputLine::from_text(fields, b"x", Some("key"))
                .unwrap()
                .is_repeatable
        );
        assert_eq!(
            InputLine::from_text(fields, b"\xFF", None).unwrap_err(),
            "it is not UTF-8"
        );
    }
}
