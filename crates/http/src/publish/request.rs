//! One event as a client sends it.

mod fields;
mod from_json;
mod from_pairs;

use std::time::Duration;

use super::json::{JSON_LINE, twice};
use crate::Refusal;
use fields::{Field, FieldSet};
use sse_broadcaster::{
    event::{Event, FINISHED, Traceparent},
    internal::Shown,
};

/// One event to publish, as a client sends it by a query, a form, a JSON object or plain text. Each field is given at
/// most once; [`build`](Self::build) checks the values.
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
    named: FieldSet,
    event: Option<String>,
    id: Option<String>,
    retry_ms: Option<u64>,
    data: Option<String>,
    private: bool,
    finishes: bool,
    traceparent: Option<Traceparent>,
}

impl PublishRequest {
    /// A request with this text as its data and no other field.
    pub fn from_text(data: impl Into<String>) -> Self {
        Self {
            data: Some(data.into()),
            ..Self::default()
        }
    }

    fn once(&mut self, field: Field) -> Result<(), Refusal> {
        if !self.named.insert(field) {
            return Err(twice(field.name()));
        }
        if self.named.contains(Field::Topic) && self.named.contains(Field::Topics) {
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

    /// Adds the fields of the query to those of the body.
    ///
    /// # Errors
    /// 422 for a field that is in both.
    pub fn with_query(mut self, query: &Self) -> Result<Self, Refusal> {
        for field in query.named.iter() {
            self.once(field)?;
        }
        self.topics.extend(query.topics.iter().cloned());
        self.event = self.event.or_else(|| query.event.clone());
        self.id = self.id.or_else(|| query.id.clone());
        self.retry_ms = self.retry_ms.or(query.retry_ms);
        self.private |= query.private;
        self.finishes |= query.finishes;
        Ok(self)
    }

    /// The same for an event that finishes this topic.
    ///
    /// # Errors
    /// 422 `duplicate_field` for a request that names a topic or an event itself.
    pub(crate) fn finishing(mut self, topic: String) -> Result<Self, Refusal> {
        let mut named = self.named.iter();
        if let Some(field) =
            named.find(|field| matches!(field, Field::Topic | Field::Topics | Field::Event))
        {
            return Err(Refusal::unprocessable(
                "duplicate_field",
                format!(
                    "{} is given, but the path names the topic, and the event is named finished; leave it out",
                    field.name()
                ),
            ));
        }
        self.topics.push(topic);
        self.finishes = true;
        Ok(self)
    }

    /// The name that is given. A copy of an event that finishes its topics has that of all these.
    fn event_name(&self) -> Result<Option<String>, Refusal> {
        match &self.event {
            Some(name) if self.finishes && name == FINISHED => Ok(None),
            Some(name) if self.finishes => Err(Refusal::unprocessable(
                "reserved_event",
                format!(
                    "an event that finishes its topics is named {FINISHED}, not {}; leave event out",
                    Shown(name)
                ),
            )),
            name => Ok(name.clone()),
        }
    }

    /// Builds the event.
    ///
    /// # Errors
    /// 422 `no_data` without data, but for one that finishes its topics, and 422 for a value that an event cannot have: see
    /// [`EventBuilder::build`](sse_broadcaster::event::EventBuilder::build).
    pub fn build(self) -> Result<Event, Refusal> {
        let name = self.event_name()?;
        let data = self.data.or(self.finishes.then(String::new));
        let data = data.ok_or_else(|| {
            let detail =
                format!("data is missing; send {JSON_LINE}, or as a form: topic=news&data=hello");
            Refusal::unprocessable("no_data", detail)
        })?;
        let mut event = Event::builder(data);
        for topic in self.topics {
            event = event.topic(topic);
        }
        if let Some(name) = name {
            event = event.name(name);
        }
        if let Some(id) = self.id {
            event = event.idempotency_key(id);
        }
        if let Some(ms) = self.retry_ms {
            event = event.retry(Duration::from_millis(ms));
        }
        if self.private {
            event = event.private();
        }
        if self.finishes {
            event = event.finish();
        }
        if let Some(traceparent) = self.traceparent {
            event = event.traceparent(traceparent);
        }
        Ok(event.build()?)
    }
}

fn invalid_retry() -> Refusal {
    Refusal::unprocessable(
        "invalid_retry",
        "retry is a whole number of milliseconds, at most 86400000 (a day)",
    )
}

fn unknown(name: &str, container: &str, known: &str) -> Refusal {
    Refusal::unprocessable(
        "unknown_field",
        format!(
            "{} is not a field of {container}; known are {known}: {JSON_LINE}. To send text as it is, add \
             -H 'Content-Type: text/plain'",
            Shown(name)
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    fn code<T: fmt::Debug>(result: Result<T, Refusal>) -> &'static str {
        result.unwrap_err().code()
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
