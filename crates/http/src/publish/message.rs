//! Parses a WebSocket message that publishes.

use super::{
    body::{BYTE_ORDER_MARK, objects, raw},
    json::{Member, members, twice, wrong_type},
    request::PublishRequest,
};
use crate::Refusal;
use sse_broadcaster::event::Event;

/// Longest message that is parsed only for its `ref`, in bytes.
const MAX_REFERENCE_MESSAGE_BYTES: usize = 1 << 10;
/// Longest `ref`: the response repeats it.
const MAX_REF_CHARS: usize = 256;

/// A WebSocket message that publishes: an event as JSON, an array of events, or an object with such an array as
/// `events`. An object may also have a `ref`, which the response repeats.
///
/// ```
/// use sse_broadcaster_http::PublishMessage;
///
/// let message = br#"{"ref":"r1","events":[{"data":"a"},{"topic":"news","data":"b"}]}"#;
/// let message = PublishMessage::parse(message, 100);
/// assert_eq!(message.reference.as_deref(), Some("r1"));
/// assert_eq!(message.events?.len(), 2);
/// # Ok::<(), sse_broadcaster_http::Refusal>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct PublishMessage {
    /// The `ref` of at most 256 characters, if it is valid, even if the rest of the message is not.
    pub reference: Option<String>,
    /// The events, or why the message is refused.
    pub events: Result<Vec<Event>, Refusal>,
}

impl PublishMessage {
    /// Parses a message of at most `max_events` events.
    #[must_use]
    pub fn parse(message: &[u8], max_events: usize) -> Self {
        let message = message.strip_prefix(BYTE_ORDER_MARK).unwrap_or(message);
        if message.trim_ascii_start().starts_with(b"[") {
            let requests = objects(message, max_events);
            return Self {
                reference: None,
                events: requests.and_then(|(requests, _)| build(requests)),
            };
        }
        let text = String::from_utf8_lossy(message);
        let members = raw(&text).and_then(|object| split_reference(members(object)?));
        match members {
            Ok((reference, members)) => Self {
                reference,
                events: events_of(members, max_events),
            },
            Err(refusal) => Self {
                reference: None,
                events: Err(refusal),
            },
        }
    }

    /// Only the `ref`, for the refusal of a client that may not publish. `None` for a message of more than 1 KiB.
    #[must_use]
    pub fn reference_of(message: &[u8]) -> Option<String> {
        let message = std::str::from_utf8(message).ok();
        let message = message.filter(|message| message.len() <= MAX_REFERENCE_MESSAGE_BYTES)?;
        let (reference, _) = split_reference(members(raw(message).ok()?).ok()?).ok()?;
        reference
    }
}

fn split_reference(members: Vec<Member<'_>>) -> Result<(Option<String>, Vec<Member<'_>>), Refusal> {
    let (mut references, others): (Vec<_>, Vec<_>) =
        members.into_iter().partition(|(name, _)| name == "ref");
    let Some((_, value)) = references.pop() else {
        return Ok((None, others));
    };
    if !references.is_empty() {
        return Err(twice("ref"));
    }
    let reference = serde_json::from_str(value.get()).ok();
    let reference = reference.filter(|text: &String| text.chars().count() <= MAX_REF_CHARS);
    let right = format!("a string of at most {MAX_REF_CHARS} characters");
    match reference {
        Some(reference) => Ok((Some(reference), others)),
        None => Err(wrong_type("ref", &right)),
    }
}

fn events_of(members: Vec<Member<'_>>, max_events: usize) -> Result<Vec<Event>, Refusal> {
    match &members[..] {
        [(name, events)] if name == "events" => match objects(events.get().as_bytes(), max_events)?
        {
            (requests, true) => build(requests),
            (_, false) => Err(wrong_type("events", "an array of events")),
        },
        _ => build(vec![PublishRequest::from_members(members)?]),
    }
}

fn build(requests: Vec<PublishRequest>) -> Result<Vec<Event>, Refusal> {
    requests.into_iter().map(PublishRequest::build).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(message: &str) -> (Option<String>, Vec<String>) {
        let PublishMessage { reference, events } = PublishMessage::parse(message.as_bytes(), 100);
        let events = events.unwrap();
        let data = events.iter().map(|event| event.data().to_owned());
        (reference, data.collect())
    }

    fn refused(message: &str) -> (Option<String>, &'static str) {
        let message = PublishMessage::parse(message.as_bytes(), 100);
        (message.reference, message.events.unwrap_err().code())
    }

    #[test]
    fn a_message_is_an_event_an_array_of_events_or_an_array_with_a_reference() {
        let one = r#"{"data":"a"}"#;
        let two = r#"[{"data":"a"},{"data":{"b":1}}]"#;
        let both = || vec!["a".to_owned(), r#"{"b":1}"#.to_owned()];
        assert_eq!(data(one), (None, vec!["a".to_owned()]));
        assert_eq!(data(two), (None, both()));
        let with = format!(r#" {{"events":{two},"ref":"r1"}}"#);
        assert_eq!(data(&with), (Some("r1".to_owned()), both()));
        let with = r#"{"ref":"","data":"a","topic":"t"}"#;
        assert_eq!(data(with), (Some(String::new()), vec!["a".to_owned()]));
    }

    #[test]
    fn a_refusal_has_the_reference_if_that_is_valid() {
        let long = format!(r#"{{"data":"a","ref":"{}"}}"#, "é".repeat(257));
        for (message, reference, code) in [
            ("", None, "invalid_json"),
            (r#"{"data":"a","ref":"r"} x"#, None, "invalid_json"),
            ("[]", None, "no_data"),
            ("7", None, "invalid_event_object"),
            (r#"["a"]"#, None, "invalid_event_object"),
            (r#"{"ref":"r"}"#, Some("r"), "no_data"),
            (r#"{"ref":"r","dat":1}"#, Some("r"), "unknown_field"),
            (r#"{"ref":"r","events":[]}"#, Some("r"), "no_data"),
            (
                r#"{"ref":"r","events":{"data":""}}"#,
                Some("r"),
                "wrong_type",
            ),
            (
                r#"{"ref":"r","events":[{"data":""}],"topic":"t"}"#,
                Some("r"),
                "unknown_field",
            ),
            (r#"[{"data":"","ref":"r"}]"#, None, "unknown_field"),
            (r#"{"data":"","ref":1}"#, None, "wrong_type"),
            (
                r#"{"data":"","ref":"a","ref":"b"}"#,
                None,
                "duplicate_field",
            ),
            (&long, None, "wrong_type"),
        ] {
            let (had, why) = refused(message);
            assert_eq!((had.as_deref(), why), (reference, code), "{message}");
        }
    }
}
