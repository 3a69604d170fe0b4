//! The members of a JSON object as the fields of an event.

use serde_json::value::RawValue;

use super::{PublishRequest, fields::Field, invalid_retry, unknown};
use crate::{
    Refusal,
    publish::json::{Member, Topics, data_of, members, wrong_type},
};

impl PublishRequest {
    /// Parses an object such as `{"topic":"news","event":"update","data":"hello"}`.
    ///
    /// # Errors
    /// 422 for a member that is unknown, given twice, or of another type.
    pub fn from_json(object: &RawValue) -> Result<Self, Refusal> {
        Self::from_members(members(object)?)
    }

    /// # Errors
    /// As [`from_json`](Self::from_json).
    pub(in crate::publish) fn from_members(members: Vec<Member<'_>>) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        for (name, value) in members {
            fields.set_json(&name, value)?;
        }
        Ok(fields)
    }

    fn set_json(&mut self, name: &str, value: &RawValue) -> Result<(), Refusal> {
        let json = value.get();
        if name == "data" {
            self.once(Field::Data)?;
            self.data = Some(data_of(json)?);
            return Ok(());
        }
        if json == "null"
            && matches!(
                name,
                "topic" | "topics" | "event" | "id" | "retry" | "private"
            )
        {
            return Ok(());
        }
        let text = || serde_json::from_str::<String>(json);
        match name {
            "topic" => {
                self.once(Field::Topic)?;
                let topic = text().map_err(|_| wrong_type("topic", "a string"))?;
                self.topics.push(topic);
            }
            "topics" => {
                self.once(Field::Topics)?;
                let wrong = || wrong_type("topics", "an array of one or more strings");
                let Topics(topics) = serde_json::from_str(json).map_err(|_| wrong())?;
                self.topics = topics;
                if self.topics.is_empty() {
                    return Err(wrong());
                }
            }
            "event" => {
                self.once(Field::Event)?;
                let event = text().map_err(|_| wrong_type("event", "a string"))?;
                self.event = Some(event).filter(|event| !event.is_empty());
            }
            "id" => {
                self.once(Field::Id)?;
                self.id = Some(text().map_err(|_| wrong_type("id", "a string"))?);
            }
            "retry" => {
                self.once(Field::Retry)?;
                self.retry_ms = Some(serde_json::from_str(json).map_err(|_| invalid_retry())?);
            }
            "private" => {
                self.once(Field::Private)?;
                let private = serde_json::from_str(json);
                self.private = private.map_err(|_| wrong_type("private", "true or false"))?;
            }
            _ => {
                return Err(unknown(
                    name,
                    "the object",
                    "topic, topics, event, data, id, retry, private",
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sse_broadcaster::event::Event;

    fn json(text: &str) -> Result<Event, Refusal> {
        let raw: Box<RawValue> = serde_json::from_str(text).unwrap();
        PublishRequest::from_json(&raw)?.build()
    }

    fn code(result: Result<Event, Refusal>) -> &'static str {
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
}
