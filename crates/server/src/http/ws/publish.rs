//! A message that publishes: what `POST /events` takes as JSON, and what it answers.

use actix_web::web;
use serde::Serialize;

use sse_broadcaster::event::{Event, EventId};
use sse_broadcaster_http::{
    AppState, BYTE_ORDER_MARK, Member, Permit, PublishRequest, Refusal, RequestHead, max_json,
    members, objects, raw, twice, wrong_type,
};

/// Longest message that is read of a client that may not publish, so that it can be told.
const MAX_REFUSED_BYTES: usize = 64 << 10;
/// Longest message of such a client that is looked into, for its `ref` alone.
const MAX_REFUSED_READ_BYTES: usize = 1 << 10;
/// Longest `ref`, which is given back.
const MAX_REF_CHARS: usize = 256;

/// The client of one socket as a publisher, as its handshake had it.
pub(super) struct Publisher {
    state: web::Data<AppState>,
    permit: Result<Permit, Refusal>,
}

/// What a publish is answered.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Answer<'a> {
    Published {
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
        ids: Vec<String>,
    },
    Refused {
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
        status: u16,
        code: &'static str,
        detail: String,
    },
}

impl Publisher {
    /// Checked as a POST is. A browser's handshake always has an `Origin`, so that the check of GETs without
    /// one does not concern it.
    pub(super) fn of(request: &impl RequestHead, state: &web::Data<AppState>) -> Self {
        Self {
            permit: state.gate.access().may_publish_by("POST", request),
            state: state.clone(),
        }
    }

    pub(super) fn max_message_bytes(&self) -> usize {
        match self.permit {
            Ok(_) => max_json(&self.state.broadcaster),
            Err(_) => MAX_REFUSED_BYTES,
        }
    }

    /// Publishes this message; the answer is a message, too.
    pub(super) async fn answer(&self, message: &[u8]) -> String {
        let (reference, ids) = match self.check() {
            Err(refused) => (reference_of(message), Err(refused)),
            Ok(permit) => {
                let max_events = self.state.broadcaster.max_batch_events();
                let (reference, events) = read(message, max_events);
                let ids = match events {
                    Ok(events) => self.publish(permit, events).await,
                    Err(problem) => Err(problem),
                };
                (reference, ids.map_err(|problem| refusal(&problem)))
            }
        };
        let reference = reference.as_deref();
        let answer = match ids {
            Ok(ids) => Answer::Published { reference, ids },
            Err((status, code, detail)) => {
                self.state.refusals.count(status, code);
                Answer::Refused {
                    reference,
                    status,
                    code,
                    detail,
                }
            }
        };
        serde_json::to_string(&answer).unwrap_or_default()
    }

    /// Asked before a message is read, since reading is what it costs.
    fn check(&self) -> Result<&Permit, (u16, &'static str, String)> {
        let permit = self.permit.as_ref().map_err(refusal)?;
        permit.check().map_err(|problem| refusal(&problem))?;
        Ok(permit)
    }

    async fn publish(&self, permit: &Permit, events: Vec<Event>) -> Result<Vec<String>, Refusal> {
        permit.check()?;
        let appended = self.state.broadcaster.publish(events).await?;
        Ok(appended.ids.iter().map(EventId::to_string).collect())
    }
}

fn refusal(problem: &Refusal) -> (u16, &'static str, String) {
    (
        problem.status().as_u16(),
        problem.code(),
        problem.to_string(),
    )
}

/// The `ref` of a message that is not published, if that is short.
fn reference_of(message: &[u8]) -> Option<String> {
    let message = std::str::from_utf8(message).ok();
    let message = message.filter(|message| message.len() <= MAX_REFUSED_READ_BYTES)?;
    let (reference, _) = take_reference(members(raw(message).ok()?).ok()?).ok()?;
    reference
}

/// The events of a message: one, or those of an array, which may stand in an object that has a `ref`,
/// too. And that `ref`, for the answer, whatever else is wrong.
fn read(message: &[u8], max: usize) -> (Option<String>, Result<Vec<Event>, Refusal>) {
    let message = message.strip_prefix(BYTE_ORDER_MARK).unwrap_or(message);
    if message.trim_ascii_start().starts_with(b"[") {
        let events = objects(message, max).and_then(|(fields, _)| build(fields));
        return (None, events);
    }
    let text = String::from_utf8_lossy(message);
    let taken = raw(&text).and_then(|object| take_reference(members(object)?));
    match taken {
        Ok((reference, members)) => (reference, events_of(members, max)),
        Err(problem) => (None, Err(problem)),
    }
}

fn take_reference(members: Vec<Member<'_>>) -> Result<(Option<String>, Vec<Member<'_>>), Refusal> {
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
    let right = format!("a string of {MAX_REF_CHARS} characters at most");
    match reference {
        Some(reference) => Ok((Some(reference), others)),
        None => Err(wrong_type("ref", &right)),
    }
}

fn events_of(members: Vec<Member<'_>>, max: usize) -> Result<Vec<Event>, Refusal> {
    match &members[..] {
        [(name, events)] if name == "events" => match objects(events.get().as_bytes(), max)? {
            (fields, true) => build(fields),
            (_, false) => Err(wrong_type("events", "an array of events")),
        },
        _ => build(vec![PublishRequest::from_members(members)?]),
    }
}

fn build(fields: Vec<PublishRequest>) -> Result<Vec<Event>, Refusal> {
    fields.into_iter().map(PublishRequest::build).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(message: &str) -> (Option<String>, Vec<String>) {
        let (reference, events) = read(message.as_bytes(), 100);
        let events = events.unwrap();
        let data = events.iter().map(|event| event.data().to_owned());
        (reference, data.collect())
    }

    fn refused(message: &str) -> (Option<String>, &'static str) {
        let (reference, events) = read(message.as_bytes(), 100);
        (reference, events.unwrap_err().code())
    }

    #[test]
    fn a_message_is_an_event_an_array_of_them_or_an_array_with_a_reference() {
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
    fn a_refusal_has_the_reference_where_that_could_be_read() {
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
