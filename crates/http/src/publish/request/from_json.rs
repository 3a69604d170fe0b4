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
                "topic"
                    | "topics"
                    | "event"
                    | "id"
                    | "retry"
                    | "private"
                    | "finish"
                    | "traceparent"
            )
        {
            return Ok(());
        }
        match name {
            "topic" => {
                self.once(Field::Topic)?;
                self.topics.push(string("topic", json)?);
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
                self.event = Some(string("event", json)?).filter(|event| !event.is_empty());
            }
            "id" => {
                self.once(Field::Id)?;
                self.id = Some(string("id", json)?);
            }
            "retry" => {
                self.once(Field::Retry)?;
                self.retry_ms = Some(serde_json::from_str(json).map_err(|_| invalid_retry())?);
            }
            "private" => {
                self.once(Field::Private)?;
                self.private = switch("private", json)?;
            }
            "finish" => {
                self.once(Field::Finish)?;
                self.finishes = switch("finish", json)?;
            }
            "traceparent" => {
                self.once(Field::Traceparent)?;
                // One that is not valid is ignored, as in a header.
                self.traceparent = string("traceparent", json)?.parse().ok();
            }
            _ => {
                return Err(unknown(
                    name,
                    "the object",
                    "topic, topics, event, data, id, retry, private, finish, traceparent",
                ));
            }
        }
        Ok(())
    }
}

fn switch(name: &str, json: &str) -> Result<bool, Refusal> {
    serde_json::from_str(json).map_err(|_| wrong_type(name, "true or false"))
}

/// The value of the member `name`, as a string.
fn string(name: &str, json: &str) -> Result<String, Refusal> {
    serde_json::from_str(json).map_err(|_| {
        if json.starts_with('"') {
            // The JSON is valid: it is a lone surrogate, for which UTF-8 has no bytes.
            Refusal::not_utf8(name)
        } else {
            wrong_type(name, "a string")
        }
    })
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
        for name in ["topic", "event", "id"] {
            let lone = format!(r#"{{"data":"","{name}":"x\ud800"}}"#);
            assert_eq!(code(json(&lone)), "invalid_utf8", "{name}");
        }
        assert_eq!(code(json("[]")), "invalid_event_object");
    }
}
