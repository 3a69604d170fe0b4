//! One event as a client sends it.

use std::time::Duration;

use serde_json::value::RawValue;

use super::json::{JSON_LINE, Member, Topics, data_of, members, twice, wrong_type};
use crate::{Refusal, parameters::query};
use sse_broadcaster::{
    event::{Event, MAX_TOPICS},
    internal::Shown,
};

/// One event to publish, as a query, a form, a JSON object or plain text has it: each field is given at most
/// once, and [`build`](Self::build) checks its value.
///
/// ```
/// use sse_broadcaster_http::PublishRequest;
///
/// let query = PublishRequest::from_query("topic=news&retry=5000")?;
/// let event = PublishRequest::from_text("hello").with_query(&query)?.build()?;
/// assert_eq!((event.data(), event.topics()[0].as_str()), ("hello", "news"));
/// # Ok::<(), sse_broadcaster_http::Refusal>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct PublishRequest {
    topics: Vec<String>,
    named: Vec<&'static str>,
    event: Option<String>,
    id: Option<String>,
    retry_ms: Option<u64>,
    data: Option<String>,
}

impl PublishRequest {
    /// The fields of a query, which go with every kind of body; the data is not among them.
    ///
    /// # Errors
    /// 400 for what is not UTF-8; 422 for a field that is unknown, given twice, or has a `retry` that is no
    /// number.
    pub fn from_query(query: &str) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        for pair in query::pairs(query.as_bytes()) {
            let (name, value) = pair.map_err(|_| Refusal::not_utf8("the query"))?;
            match name.as_str() {
                // Datastar adds its signals to every GET.
                "datastar" => {}
                "data" => return Err(unknown(&name, "the query", "topic, event, id, retry")),
                _ => fields.set_text(&name, value, "the query")?,
            }
        }
        Ok(fields)
    }

    /// The fields of a form. `topic` may be repeated, and empty fields but `data` are not given.
    ///
    /// # Errors
    /// As [`from_query`](Self::from_query).
    pub fn from_form(body: &[u8]) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        for pair in query::pairs(body) {
            let (name, value) = pair.map_err(|_| Refusal::not_utf8("the form"))?;
            fields.set_text(&name, value, "the form")?;
        }
        Ok(fields)
    }

    /// With this text as its data.
    pub fn from_text(data: impl Into<String>) -> Self {
        Self {
            data: Some(data.into()),
            ..Self::default()
        }
    }

    /// The members of an object such as `{"topic":"news","event":"update","data":"hello"}`.
    ///
    /// # Errors
    /// 422 for a member that is unknown, given twice, or of another type.
    pub fn from_json(object: &RawValue) -> Result<Self, Refusal> {
        Self::from_members(members(object)?)
    }

    /// The same of members that were read before.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json).
    pub(super) fn from_members(members: Vec<Member<'_>>) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        for (name, value) in members {
            fields.set_json(&name, value)?;
        }
        Ok(fields)
    }

    fn set_text(&mut self, name: &str, value: String, place: &str) -> Result<(), Refusal> {
        match name {
            // A form's empty fields are those that were not filled in.
            "topic" | "topics" | "event" | "id" | "retry" if value.is_empty() => Ok(()),
            "topic" | "topics" => {
                let name = if name == "topic" { "topic" } else { "topics" };
                if !self.named.contains(&name) {
                    self.once(name)?;
                }
                // One too many is refused when the event is built.
                if self.topics.len() <= MAX_TOPICS {
                    self.topics.push(value);
                }
                Ok(())
            }
            "event" => self.once("event").map(|()| self.event = Some(value)),
            "id" => self.once("id").map(|()| self.id = Some(value)),
            "data" => self.once("data").map(|()| self.data = Some(value)),
            "retry" => {
                self.once("retry")?;
                let digits = value.bytes().all(|byte| byte.is_ascii_digit());
                self.retry_ms = value.parse().ok().filter(|_| digits);
                self.retry_ms.map(|_| ()).ok_or_else(invalid_retry)
            }
            _ => Err(unknown(
                name,
                place,
                "topic, topics, event, data, id, retry",
            )),
        }
    }

    fn set_json(&mut self, name: &str, value: &RawValue) -> Result<(), Refusal> {
        let json = value.get();
        if name == "data" {
            self.once("data")?;
            self.data = Some(data_of(json)?);
            return Ok(());
        }
        if json == "null" && matches!(name, "topic" | "topics" | "event" | "id" | "retry") {
            return Ok(());
        }
        let text = || serde_json::from_str::<String>(json);
        match name {
            "topic" => {
                self.once("topic")?;
                let topic = text().map_err(|_| wrong_type("topic", "a string"))?;
                self.topics.push(topic);
            }
            "topics" => {
                self.once("topics")?;
                let wrong = || wrong_type("topics", "an array of one or more strings");
                let Topics(topics) = serde_json::from_str(json).map_err(|_| wrong())?;
                self.topics = topics;
                if self.topics.is_empty() {
                    return Err(wrong());
                }
            }
            "event" => {
                self.once("event")?;
                let event = text().map_err(|_| wrong_type("event", "a string"))?;
                self.event = Some(event).filter(|event| !event.is_empty());
            }
            "id" => {
                self.once("id")?;
                self.id = Some(text().map_err(|_| wrong_type("id", "a string"))?);
            }
            "retry" => {
                self.once("retry")?;
                self.retry_ms = Some(serde_json::from_str(json).map_err(|_| invalid_retry())?);
            }
            _ => {
                return Err(unknown(
                    name,
                    "the object",
                    "topic, topics, event, data, id, retry",
                ));
            }
        }
        Ok(())
    }

    fn once(&mut self, name: &'static str) -> Result<(), Refusal> {
        if self.named.contains(&name) {
            return Err(twice(name));
        }
        self.named.push(name);
        self.check_topics()
    }

    fn check_topics(&self) -> Result<(), Refusal> {
        if self.named.contains(&"topic") && self.named.contains(&"topics") {
            return Err(Refusal::unprocessable(
                "duplicate_field",
                "topic and topics are both given; give one of them, for example \
                 {\"topics\":[\"news\",\"sport\"],\"data\":\"hello\"}",
            ));
        }
        Ok(())
    }

    /// Whether an idempotency key is given (the field `id`).
    #[must_use]
    pub fn has_idempotency_key(&self) -> bool {
        self.id.is_some()
    }

    /// These fields of the body with those of the query.
    ///
    /// # Errors
    /// 422 for a field that is in both.
    pub fn with_query(mut self, query: &Self) -> Result<Self, Refusal> {
        for name in &query.named {
            self.once(name)?;
        }
        self.topics.extend(query.topics.iter().cloned());
        self.event = self.event.or_else(|| query.event.clone());
        self.id = self.id.or_else(|| query.id.clone());
        self.retry_ms = self.retry_ms.or(query.retry_ms);
        Ok(self)
    }

    /// The event.
    ///
    /// # Errors
    /// 422 for data that is missing, and for a field of a value that an event cannot have.
    pub fn build(self) -> Result<Event, Refusal> {
        let data = self.data.ok_or_else(|| {
            let detail =
                format!("data is missing; send {JSON_LINE}, or as a form: topic=news&data=hello");
            Refusal::unprocessable("no_data", detail)
        })?;
        let mut event = Event::builder(data);
        for topic in self.topics {
            event = event.topic(topic);
        }
        if let Some(name) = self.event {
            event = event.name(name);
        }
        if let Some(id) = self.id {
            event = event.idempotency_key(id);
        }
        if let Some(ms) = self.retry_ms {
            event = event.retry(Duration::from_millis(ms));
        }
        Ok(event.build()?)
    }
}

fn unknown(name: &str, place: &str, known: &str) -> Refusal {
    Refusal::unprocessable(
        "unknown_field",
        format!(
            "{} is not a field of {place}; known are {known}: {JSON_LINE}. To send text as it is, add \
             -H 'Content-Type: text/plain'",
            Shown(name)
        ),
    )
}

fn invalid_retry() -> Refusal {
    Refusal::unprocessable(
        "invalid_retry",
        "retry is a whole number of milliseconds, at most a day's",
    )
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    fn json(text: &str) -> Result<Event, Refusal> {
        let raw: Box<RawValue> = serde_json::from_str(text).unwrap();
        PublishRequest::from_json(&raw)?.build()
    }

    fn code<T: fmt::Debug>(result: Result<T, Refusal>) -> &'static str {
        result.unwrap_err().code()
    }

    #[test]
    fn any_json_is_data_and_keeps_its_numbers_and_order() {
        let data = |text| json(text).unwrap().data().to_owned();
        assert_eq!(data(r#"{"data":"a\nb"}"#), "a\nb");
        assert_eq!(data(r#"{"data":null}"#), "null");
        assert_eq!(
            data(r#"{"data": { "b" : 1.0, "a" : [ 12345678901234567890123, " x\" y " ] } }"#),
            r#"{"b":1.0,"a":[12345678901234567890123," x\" y "]}"#
        );
    }

    #[test]
    fn each_mistake_in_an_object_has_a_code() {
        assert_eq!(code(json(r#"{"event":"x"}"#)), "no_data");
        assert_eq!(code(json(r#"{"data":"","dat":1}"#)), "unknown_field");
        assert_eq!(code(json(r#"{"data":"","dat":null}"#)), "unknown_field");
        assert_eq!(code(json(r#"{"data":"","data":""}"#)), "duplicate_field");
        assert_eq!(
            code(json(r#"{"data":"","topic":"a","topics":["b"]}"#)),
            "duplicate_field"
        );
        assert_eq!(code(json(r#"{"data":"","topics":[]}"#)), "wrong_type");
        assert_eq!(code(json(r#"{"data":"","topic":1}"#)), "wrong_type");
        assert_eq!(code(json(r#"{"data":"","retry":"1"}"#)), "invalid_retry");
        assert_eq!(code(json(r#"{"data":"","retry":-1}"#)), "invalid_retry");
        assert_eq!(code(json(r#"{"data":"\ud800"}"#)), "invalid_utf8");
        assert_eq!(code(json("[]")), "invalid_event_object");
    }

    #[test]
    fn a_form_may_repeat_its_topic_and_leave_fields_empty() {
        let event = PublishRequest::from_form(b"topic=a&topic=b&event=&data=")
            .unwrap()
            .build()
            .unwrap();
        assert_eq!(event.topics().len(), 2);
        assert_eq!((event.name(), event.data()), (None, ""));
    }

    #[test]
    fn the_query_goes_with_every_body_but_no_field_is_in_both() {
        let query = PublishRequest::from_query("topic=a&topic=b&retry=5").unwrap();
        let event = PublishRequest::from_text("x")
            .with_query(&query)
            .unwrap()
            .build()
            .unwrap();
        assert_eq!((event.topics().len(), event.retry_ms()), (2, Some(5)));
        let body = PublishRequest::from_form(b"topic=c&data=").unwrap();
        assert_eq!(code(body.with_query(&query)), "duplicate_field");
        assert_eq!(
            code(PublishRequest::from_query("topics=a&topic=b")),
            "duplicate_field"
        );
        assert_eq!(code(PublishRequest::from_query("topik=a")), "unknown_field");
        assert_eq!(
            code(PublishRequest::from_query("event=%FF")),
            "invalid_utf8"
        );
    }
}
