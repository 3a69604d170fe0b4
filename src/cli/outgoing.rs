//! Events as `POST /events` takes them.

use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::{RawValue, to_raw_value};

use crate::event::EventId;

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
    own_id: Option<String>,
    #[serde(default)]
    topics: Vec<String>,
    topic: Option<String>,
    event: Option<String>,
    data: Box<RawValue>,
    retry: Option<u64>,
    #[serde(rename = "time")]
    _time: Option<IgnoredAny>,
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

/// Adds a line of input as a line of NDJSON.
///
/// # Errors
/// Why the line is no text.
pub(crate) fn add_text(common: Common, line: &[u8], body: &mut Vec<u8>) -> Result<(), String> {
    let text = str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?;
    body.extend(of_text(common, text).map_err(|error| error.to_string())?);
    body.push(b'\n');
    Ok(())
}

/// Adds a line of JSON as one of NDJSON: a position is not carried over, an id of the publisher's own
/// is.
///
/// # Errors
/// Why the line is no event.
pub(crate) fn add_json(line: &[u8], body: &mut Vec<u8>) -> Result<(), String> {
    let incoming: Incoming = serde_json::from_slice(line).map_err(|error| in_line(&error))?;
    let id = incoming.id.as_deref();
    let not_a_position = id.filter(|id| id.parse::<EventId>().is_err());
    let outgoing = Outgoing {
        topics: &incoming.topics,
        topic: incoming.topic.as_deref(),
        id: incoming.own_id.as_deref().or(not_a_position),
        event: incoming.event.as_deref(),
        data: &incoming.data,
        retry: incoming.retry,
    };
    serde_json::to_writer(&mut *body, &outgoing).map_err(|error| error.to_string())?;
    body.push(b'\n');
    Ok(())
}

/// The parser only ever sees one line; which one it is, is said by who reads them.
fn in_line(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column", " at column")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried_over(line: &str) -> Result<String, String> {
        let mut body = Vec::new();
        add_json(line.as_bytes(), &mut body)?;
        Ok(String::from_utf8(body).unwrap())
    }

    #[test]
    fn topics_own_id_name_data_and_retry_come_back_and_nothing_else() {
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
    fn what_is_no_event_is_told_and_leaves_nothing_behind() {
        let mut body = b"before\n".to_vec();
        for (line, why) in [
            (r#"{"id":"5-1"}"#, "missing field `data` at column 12"),
            (r#"{"data":1,"evnt":"x"}"#, "unknown field `evnt`"),
            ("hello", "expected value at column 1"),
            (r#""text""#, "expected struct"),
            ("", "EOF while parsing"),
        ] {
            let error = add_json(line.as_bytes(), &mut body).unwrap_err();
            assert!(error.contains(why), "{line}: {error}");
            assert_eq!(body, b"before\n");
        }
    }

    #[test]
    fn text_is_published_as_it_is() {
        let topics = ["t".to_owned()];
        let common = Common {
            topics: &topics,
            event: Some("e"),
        };
        let mut body = Vec::new();
        add_text(common, "say \"\u{e9}\"\t".as_bytes(), &mut body).unwrap();
        assert_eq!(
            String::from_utf8(body.clone()).unwrap(),
            "{\"topics\":[\"t\"],\"event\":\"e\",\"data\":\"say \\\"\u{e9}\\\"\\t\"}\n"
        );
        assert_eq!(
            add_text(common, b"\xFF", &mut body).unwrap_err(),
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
