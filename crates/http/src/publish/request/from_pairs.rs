//! The names and values of a query or a form as the fields of an event.

use super::{PublishRequest, fields::Field, invalid_retry, unknown};
use crate::{Refusal, parameters::query, publish::json::wrong_type};
use sse_broadcaster::event::MAX_TOPICS;

impl PublishRequest {
    /// Parses the fields of a query, which may go with every kind of body. `data` is not among them.
    ///
    /// # Errors
    /// 400 for a query that is not UTF-8; 422 for a field that is unknown or given twice, and for a `retry` that is
    /// not a number.
    pub fn from_query(query: &str) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        for pair in query::pairs(query.as_bytes()) {
            let (name, value) = pair.map_err(|_| Refusal::not_utf8("the query"))?;
            match name.as_str() {
                // Datastar adds its signals to every GET.
                "datastar" => {}
                "data" => {
                    return Err(unknown(
                        &name,
                        "the query",
                        "topic, event, id, retry, private, finish",
                    ));
                }
                _ => fields.set_text(&name, value, "the query")?,
            }
        }
        Ok(fields)
    }

    /// Parses the fields of a form. `topic` may be repeated; empty fields except `data` count as not given.
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

    fn set_text(&mut self, name: &str, value: String, container: &str) -> Result<(), Refusal> {
        match name {
            // Browsers send the empty fields of a form as well.
            "topic" | "topics" | "event" | "id" | "retry" | "private" | "finish"
                if value.is_empty() =>
            {
                Ok(())
            }
            "topic" | "topics" => {
                let field = match name {
                    "topic" => Field::Topic,
                    _ => Field::Topics,
                };
                if !self.named.contains(field) {
                    self.once(field)?;
                }
                // The first topic too many is kept, so that `build` refuses the event.
                if self.topics.len() <= MAX_TOPICS {
                    self.topics.push(value);
                }
                Ok(())
            }
            "event" => self.once(Field::Event).map(|()| self.event = Some(value)),
            "id" => self.once(Field::Id).map(|()| self.id = Some(value)),
            "data" => self.once(Field::Data).map(|()| self.data = Some(value)),
            "retry" => {
                self.once(Field::Retry)?;
                let digits = value.bytes().all(|byte| byte.is_ascii_digit());
                self.retry_ms = value.parse().ok().filter(|_| digits);
                self.retry_ms.map(|_| ()).ok_or_else(invalid_retry)
            }
            "private" => {
                self.once(Field::Private)?;
                self.private = switch(name, &value)?;
                Ok(())
            }
            "finish" => {
                self.once(Field::Finish)?;
                self.finishes = switch(name, &value)?;
                Ok(())
            }
            _ => Err(unknown(
                name,
                container,
                "topic, topics, event, data, id, retry, private, finish",
            )),
        }
    }
}

fn switch(name: &str, value: &str) -> Result<bool, Refusal> {
    match value {
        // A checkbox of a form has the value "on".
        "true" | "1" | "on" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(wrong_type(name, "true or false")),
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
