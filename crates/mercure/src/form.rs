//! An event as a publisher sends it.

use std::time::Duration;

use sse_broadcaster::{Event, event::MAX_TOPICS};
use sse_broadcaster_http::query;

use crate::{cursor::EARLIEST, failure::Failure, matchers::check_visible};

/// The type of the hub's own events.
const HUB_TYPE: &str = "mercure";

/// The fields of a publish. Unknown fields are ignored, and of a repeated one but `topic` the first counts. An empty
/// `id`, `type` or `retry` is none.
#[derive(Debug, Default)]
pub(crate) struct Form {
    pub(crate) topics: Vec<String>,
    data: Option<String>,
    private: bool,
    id: Option<String>,
    kind: Option<String>,
    retry_ms: Option<u64>,
}

impl Form {
    /// Parses and checks the fields.
    ///
    /// # Errors
    /// 400 for a body that is not UTF-8, and for a value that an event cannot have.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Failure> {
        let mut form = Self::default();
        let mut retry = None;
        for pair in query::pairs(body) {
            let not_utf8 = |_| Failure::invalid("invalid_utf8", "the form is not valid UTF-8");
            let (name, value) = pair.map_err(not_utf8)?;
            let field = match &name[..] {
                "topic" if !value.is_empty() => {
                    form.topics.push(value);
                    continue;
                }
                "private" => {
                    form.private = true;
                    continue;
                }
                "data" => &mut form.data,
                "id" => &mut form.id,
                "type" => &mut form.kind,
                "retry" => &mut retry,
                _ => continue,
            };
            field.get_or_insert(value);
        }
        form.check_topics()?;
        form.retry_ms = retry.as_deref().map_or(Ok(None), read_retry)?;
        form.id = form.id.filter(|id| !id.is_empty());
        form.kind = form.kind.filter(|kind| !kind.is_empty());
        form.check_names()?;
        Ok(form)
    }

    fn check_topics(&self) -> Result<(), Failure> {
        if self.topics.is_empty() {
            return Err(Failure::invalid(
                "topic_missing",
                "the field \"topic\" is missing; send for example topic=https://example.com/books/1&data=hello as \
                 application/x-www-form-urlencoded",
            ));
        }
        if self.topics.len() > MAX_TOPICS {
            return Err(Failure::invalid(
                "too_many_topics",
                format!(
                    "{} topics; at most {MAX_TOPICS} are allowed",
                    self.topics.len()
                ),
            ));
        }
        let mut topics = self.topics.iter();
        topics.try_for_each(|topic| check_visible("a topic", "invalid_topic", topic))
    }

    fn check_names(&self) -> Result<(), Failure> {
        if let Some(id) = &self.id {
            check_visible("the id", "invalid_id", id)?;
            if id.starts_with('#') || id == EARLIEST {
                return Err(Failure::invalid(
                    "invalid_id",
                    "an id neither begins with # nor is earliest; choose another one, or leave it out",
                ));
            }
        }
        let Some(kind) = &self.kind else {
            return Ok(());
        };
        check_visible("the type", "invalid_event", kind)?;
        if kind == HUB_TYPE {
            return Err(Failure::invalid(
                "reserved_event",
                "events of the type mercure are the hub's own; choose another type",
            ));
        }
        Ok(())
    }

    /// The event with these fields.
    ///
    /// # Errors
    /// 400 for a value that no event of this server has.
    pub(crate) fn into_event(self) -> Result<Event, Failure> {
        let data = self.data.unwrap_or_default();
        let mut event = self
            .topics
            .into_iter()
            .fold(Event::builder(data).uri_topics(), |event, topic| {
                event.topic(topic)
            });
        if let Some(kind) = self.kind {
            event = event.name(kind);
        }
        if let Some(id) = self.id {
            event = event.alias(id);
        }
        if let Some(ms) = self.retry_ms {
            event = event.retry(Duration::from_millis(ms));
        }
        if self.private {
            event = event.private();
        }
        Ok(event.build()?)
    }
}

fn read_retry(text: &str) -> Result<Option<u64>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let retry = text.parse().ok().filter(|_| is_number);
    retry.map(Some).ok_or_else(|| {
        Failure::invalid(
            "invalid_retry",
            "retry is a whole number of milliseconds, at most 86400000 (a day)",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(body: &str) -> Result<Event, Failure> {
        Form::read(body.as_bytes())?.into_event()
    }

    #[test]
    fn the_fields_of_a_form_are_those_of_an_event() {
        let body = "topic=a&data=x&topic=https%3A%2F%2Fexample.com%2F%7Bb%7D&private=off&id=urn%3A1&type=t&retry=5\
            &data=y&unknown=z";
        let event = event(body).unwrap();
        let topics: Vec<_> = event
            .topics()
            .iter()
            .map(sse_broadcaster::Topic::as_str)
            .collect();
        assert_eq!(topics, ["a", "https://example.com/{b}"]);
        assert_eq!((event.data(), event.is_private()), ("x", true));
        assert_eq!(event.alias().unwrap().as_str(), "urn:1");
        assert_eq!(event.name().unwrap().as_str(), "t");
        assert_eq!(event.retry_ms(), Some(5));
    }

    #[test]
    fn a_topic_alone_is_enough_and_empty_fields_are_none() {
        let event = event("topic=a&id=&type=&retry=").unwrap();
        assert_eq!((event.data(), event.retry_ms()), ("", None));
        assert!(event.alias().is_none() && event.name().is_none() && !event.is_private());
    }

    #[test]
    fn what_an_event_cannot_have_is_refused() {
        for body in [
            "",
            "data=x",
            "topic=",
            "topic=*",
            "topic=a%0A",
            "topic=a%E2%80%8B",
            "topic=a&data=%FF",
            "topic=%24signal",
            "topic=a&id=x%00",
            "topic=a&id=%23x",
            "topic=a&id=earliest",
            "topic=a&type=mercure",
            "topic=a&type=x%0Ay",
            "topic=a&retry=-1",
            "topic=a&retry=%2B1",
            "topic=a&retry=1s",
            "topic=a&retry=86400001",
        ] {
            assert!(event(body).is_err(), "{body}");
        }
        let many = |count: usize| -> String {
            let topics = (0..count).map(|number| format!("topic={number}&"));
            topics.collect()
        };
        assert!(event(&many(MAX_TOPICS)).is_ok() && event(&many(MAX_TOPICS + 1)).is_err());
        assert!(event(&format!("topic={}", "x".repeat(4_097))).is_err());
    }
}
