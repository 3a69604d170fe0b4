//! The names and values of a query or a form as the fields of an event.

use super::{PublishRequest, invalid_retry, unknown};
use crate::{Refusal, parameters::query};
use sse_broadcaster::event::MAX_TOPICS;

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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_may_repeat_its_topic_and_leave_fields_empty() {
        let event = PublishRequest::from_form(b"topic=a&topic=b&event=&data=")
            .unwrap()
            .build()
            .unwrap();
        assert_eq!(event.topics().len(), 2);
        assert_eq!((event.name(), event.data()), (None, ""));
    }
}
