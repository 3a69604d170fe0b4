//! Events as `POST /events` takes them, and signals as `PUT /signals/<name>` does.

use std::borrow::Cow;

use memchr::memmem;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::{RawValue, to_raw_value};

use sse_broadcaster::event::EventId;

/// What every line of text is published with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Common<'a> {
    pub(crate) topics: &'a [String],
    pub(crate) event: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Outgoing<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    topics: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    data: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<u64>,
}

/// What `subscribe --json` writes, and what `POST /events` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Incoming {
    id: Option<String>,
    #[serde(rename = "own_id")]
    idempotency_key: Option<String>,
    #[serde(default)]
    topics: Vec<String>,
    topic: Option<String>,
    event: Option<String>,
    data: Box<RawValue>,
    retry: Option<u64>,
    #[serde(rename = "time")]
    _time: Option<IgnoredAny>,
}

/// What `subscribe --json --signals` writes for each signal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignalLine<'a> {
    #[serde(borrow)]
    signal: Cow<'a, str>,
    #[serde(borrow)]
    document: &'a RawValue,
}

/// The body for texts given on the command line: an object, or an array that is taken as a whole.
pub(crate) fn of_texts(common: Common, texts: &[String]) -> serde_json::Result<Vec<u8>> {
    let mut events = Vec::with_capacity(texts.len());
    for text in texts {
        events.push(String::from_utf8_lossy(&of_text(common, text)?).into_owned());
    }
    Ok(match events.as_slice() {
        [event] => event.clone(),
        events => format!("[{}]", events.join(",")),
    }
    .into_bytes())
}

fn of_text(common: Common, text: &str) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Outgoing {
        topics: common.topics,
        topic: None,
        id: None,
        event: common.event,
        data: &to_raw_value(text)?,
        retry: None,
    })
}

/// A line of input as a line of NDJSON.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) body: Vec<u8>,
    /// It has an idempotency key: sent twice, it is stored once.
    pub(crate) is_repeatable: bool,
    /// The signal whose document this is; `None` for an event.
    pub(crate) signal: Option<String>,
}

impl Line {
    fn of(outgoing: &Outgoing) -> Result<Self, String> {
        let mut body = serde_json::to_vec(outgoing).map_err(|error| error.to_string())?;
        body.push(b'\n');
        Ok(Self {
            body,
            is_repeatable: outgoing.id.is_some(),
            signal: None,
        })
    }

    /// Setting a signal twice to the same document changes nothing.
    fn of_signal(line: &SignalLine) -> Self {
        Self {
            body: line.document.get().as_bytes().to_vec(),
            is_repeatable: true,
            signal: Some(line.signal.clone().into_owned()),
        }
    }
}

/// A signal and its document, on one line.
pub(crate) fn signal_line(name: &str, document: &RawValue) -> serde_json::Result<String> {
    let line = serde_json::to_string(&SignalLine {
        signal: name.into(),
        document,
    })?;
    // Within JSON a line's end is white space: strings cannot hold one.
    Ok(line.replace(['\n', '\r'], " "))
}

/// A line of text, with this idempotency key.
///
/// # Errors
/// Why the line is no text.
pub(crate) fn text_line(common: Common, line: &[u8], key: Option<&str>) -> Result<Line, String> {
    let text = str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?;
    Line::of(&Outgoing {
        topics: common.topics,
        topic: None,
        id: key,
        event: common.event,
        data: &to_raw_value(text).map_err(|error| error.to_string())?,
        retry: None,
    })
}

/// A line of JSON: a position is not carried over, an idempotency key is. What has neither is given
/// this one; a copy of an event that had none stays without.
///
/// # Errors
/// Why the line is no event.
pub(crate) fn json_line(line: &[u8], key: Option<&str>) -> Result<Line, String> {
    if is_signal(line) {
        let line = serde_json::from_slice(line).map_err(|error| in_line(&error))?;
        return Ok(Line::of_signal(&line));
    }
    let incoming: Incoming = serde_json::from_slice(line).map_err(|error| in_line(&error))?;
    let id = incoming.id.as_deref();
    let not_a_position = id.filter(|id| id.parse::<EventId>().is_err());
    let own = incoming.idempotency_key.as_deref().or(not_a_position);
    Line::of(&Outgoing {
        topics: &incoming.topics,
        topic: incoming.topic.as_deref(),
        id: own.or(key.filter(|_| id.is_none())),
        event: incoming.event.as_deref(),
        data: &incoming.data,
        retry: incoming.retry,
    })
}

/// Whether it is an object with a member `signal`. Most lines are ruled out without being parsed.
fn is_signal(line: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Kind {
        signal: Option<IgnoredAny>,
    }
    memmem::find(line, b"\"signal\"").is_some()
        && serde_json::from_slice(line).is_ok_and(|kind: Kind| kind.signal.is_some())
}

/// The parser only ever sees one line; which one it is, is said by who reads them.
fn in_line(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column", " at column")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried_over(line: &str) -> Result<String, String> {
        let line = json_line(line.as_bytes(), None)?;
        Ok(String::from_utf8(line.body).unwrap())
    }

    /// The idempotency key that such a line is sent with, where it may be given this one.
    fn key(line: &str) -> Option<String> {
        let line = json_line(line.as_bytes(), Some("given")).unwrap();
        let sent: serde_json::Value = serde_json::from_slice(&line.body).unwrap();
        let id = sent["id"].as_str().map(str::to_owned);
        assert_eq!(line.is_repeatable, id.is_some());
        id
    }

    #[test]
    fn a_line_without_an_id_is_given_a_key_and_a_copied_one_stays_as_it_was() {
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
    fn topics_idempotency_key_name_data_and_retry_come_back_and_nothing_else() {
        let line = r#"{"id":"5-1","own_id":"mine","topics":["b","a"],"event":"e","data":"x\u0000\ny","retry":7,"time":"1970-01-01T00:00:01.000Z"}"#;
        assert_eq!(
            carried_over(line).unwrap(),
            "{\"topics\":[\"b\",\"a\"],\"id\":\"mine\",\"event\":\"e\",\"data\":\"x\\u0000\\ny\",\"retry\":7}\n"
        );
        let line = r#"{"id":"5-1","own_id":null,"topics":["a"],"event":null,"data":"","retry":null,"time":"t"}"#;
        assert_eq!(
            carried_over(line).unwrap(),
            "{\"topics\":[\"a\"],\"data\":\"\"}\n"
        );
    }

    #[test]
    fn an_object_as_the_server_takes_it_is_one_too() {
        assert_eq!(
            carried_over(r#" {"topic":"t","id":"order-7","data":{"n": 1.0}} "#).unwrap(),
            "{\"topic\":\"t\",\"id\":\"order-7\",\"data\":{\"n\": 1.0}}\n"
        );
        assert_eq!(
            carried_over(r#"{"data":null}"#).unwrap(),
            "{\"data\":null}\n"
        );
    }

    #[test]
    fn what_is_no_event_is_told() {
        for (line, why) in [
            (r#"{"id":"5-1"}"#, "missing field `data` at column 12"),
            (r#"{"data":1,"evnt":"x"}"#, "unknown field `evnt`"),
            ("hello", "expected value at column 1"),
            (r#""text""#, "expected struct"),
            ("", "EOF while parsing"),
        ] {
            let error = carried_over(line).unwrap_err();
            assert!(error.contains(why), "{line}: {error}");
        }
    }

    #[test]
    fn a_signals_document_comes_back_from_its_line_and_an_event_may_hold_such_a_member() {
        let document = RawValue::from_string("{\n \"n\": 1.50}".to_owned()).unwrap();
        let text = signal_line("a/\u{e9} \"x\"", &document).unwrap();
        assert!(!text.contains('\n'), "{text}");
        let line = json_line(text.as_bytes(), Some("key")).unwrap();
        assert_eq!(line.signal.as_deref(), Some("a/\u{e9} \"x\""));
        assert_eq!(line.body, b"{  \"n\": 1.50}");
        assert!(line.is_repeatable);
        let event = json_line(br#"{"data":{"signal":"x","document":1}}"#, None).unwrap();
        assert_eq!(event.signal, None);
        for (line, why) in [
            (r#"{"signal":"x"}"#, "missing field `document`"),
            (r#"{"signal":1,"document":{}}"#, "expected a string"),
            (
                r#"{"signal":"x","document":{},"data":1}"#,
                "unknown field `data`",
            ),
        ] {
            let error = carried_over(line).unwrap_err();
            assert!(error.contains(why), "{line}: {error}");
        }
    }

    #[test]
    fn text_is_published_as_it_is() {
        let topics = ["t".to_owned()];
        let common = Common {
            topics: &topics,
            event: Some("e"),
        };
        let line = text_line(common, "say \"\u{e9}\"\t".as_bytes(), None).unwrap();
        assert!(!line.is_repeatable);
        assert_eq!(
            String::from_utf8(line.body).unwrap(),
            "{\"topics\":[\"t\"],\"event\":\"e\",\"data\":\"say \\\"\u{e9}\\\"\\t\"}\n"
        );
        assert!(text_line(common, b"x", Some("key")).unwrap().is_repeatable);
        assert_eq!(
            text_line(common, b"\xFF", None).unwrap_err(),
            "it is not UTF-8"
        );
    }

    #[test]
    fn one_text_is_an_object_and_several_are_an_array() {
        let common = Common {
            topics: &[],
            event: None,
        };
        let texts = ["a".to_owned(), "b".to_owned()];
        assert_eq!(of_texts(common, &texts[..1]).unwrap(), b"{\"data\":\"a\"}");
        assert_eq!(
            of_texts(common, &texts).unwrap(),
            b"[{\"data\":\"a\"},{\"data\":\"b\"}]"
        );
    }
}
