//! The fields of a publish, as queries, forms and JSON objects have them, made into an event.

use std::{fmt, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use sse_broadcaster::{
    event::{Event, MAX_TOPICS},
    internal::Shown,
};
use sse_broadcaster_http::{Refusal, query};

/// What a JSON publish looks like, for refusals.
pub(super) const JSON_LINE: &str = r#"{"topic":"news","event":"update","data":"hello"}"#;

/// An event's fields, not yet looked at but for being each at most once.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    pub topics: Vec<String>,
    named: Vec<&'static str>,
    event: Option<String>,
    id: Option<String>,
    retry_ms: Option<u64>,
    data: Option<String>,
}

impl Fields {
    /// Those of the query, which serve every kind of body.
    pub(super) fn of_query(query: &str) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        for pair in query::pairs(query.as_bytes()) {
            let (name, value) = pair.map_err(|_| not_utf8("the query"))?;
            match name.as_str() {
                // Datastar adds its signals to every GET.
                "datastar" => {}
                "data" => return Err(unknown(&name, "the query", "topic, event, id, retry")),
                _ => fields.set_text(&name, value, "the query")?,
            }
        }
        Ok(fields)
    }

    pub(super) fn of_form(body: &[u8]) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        for pair in query::pairs(body) {
            let (name, value) = pair.map_err(|_| not_utf8("the form"))?;
            fields.set_text(&name, value, "the form")?;
        }
        Ok(fields)
    }

    pub(super) fn of_text(data: String) -> Self {
        Self {
            data: Some(data),
            ..Self::default()
        }
    }

    /// Those of an object such as [`JSON_LINE`].
    pub(super) fn of_json(object: &RawValue) -> Result<Self, Refusal> {
        Self::of_members(members(object)?)
    }

    /// # Errors
    /// 422 for a member that is unknown, or of another type.
    pub fn of_members(members: Vec<Member<'_>>) -> Result<Self, Refusal> {
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

    pub(super) fn has_idempotency_key(&self) -> bool {
        self.id.is_some()
    }

    /// These of the body, with those of the query; none may be in both.
    pub(super) fn with_query(mut self, query: &Self) -> Result<Self, Refusal> {
        for name in &query.named {
            self.once(name)?;
        }
        self.topics.extend(query.topics.iter().cloned());
        self.event = self.event.or_else(|| query.event.clone());
        self.id = self.id.or_else(|| query.id.clone());
        self.retry_ms = self.retry_ms.or(query.retry_ms);
        Ok(self)
    }

    /// # Errors
    /// 422 for a field that is missing or cannot be.
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

pub(super) fn not_utf8(what: &str) -> Refusal {
    Refusal::bad_request("invalid_utf8", format!("{what} is not valid UTF-8"))
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

#[must_use]
pub fn twice(name: &str) -> Refusal {
    Refusal::unprocessable(
        "duplicate_field",
        format!("{name} is given twice; give it once, in the query or in the body: {JSON_LINE}"),
    )
}

#[must_use]
pub fn wrong_type(name: &str, right: &str) -> Refusal {
    Refusal::unprocessable("wrong_type", format!("{name} is {right}: {JSON_LINE}"))
}

fn invalid_retry() -> Refusal {
    Refusal::unprocessable(
        "invalid_retry",
        "retry is a whole number of milliseconds, at most a day's",
    )
}

/// A string is taken as it is, anything else as compact JSON.
fn data_of(json: &str) -> Result<String, Refusal> {
    if json.starts_with('"') {
        // What is not a string here holds a surrogate on its own, which UTF-8 has no bytes for.
        return serde_json::from_str(json).map_err(|_| not_utf8("data"));
    }
    Ok(compact(json))
}

/// Valid JSON without the white space between its tokens; numbers stay to the letter.
fn compact(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    json.chars()
        .filter(|c| {
            if in_string {
                in_string = escaped || *c != '"';
                escaped = !escaped && *c == '\\';
                return true;
            }
            in_string = *c == '"';
            !c.is_ascii_whitespace()
        })
        .collect()
}

/// A name in an object, and what it stands for.
pub type Member<'a> = (String, &'a RawValue);

/// More members than any object has whose members are known and given once.
const MAX_MEMBERS: usize = 32;

/// The members of an object, in order and with repeats; those past [`MAX_MEMBERS`] are left away, since one
/// of those before is refused.
///
/// # Errors
/// 422 for what is no object.
pub fn members(object: &RawValue) -> Result<Vec<Member<'_>>, Refusal> {
    let Ok(Object(members)) = serde_json::from_str(object.get()) else {
        let detail = format!("an event is an object, for example {JSON_LINE}");
        return Err(Refusal::unprocessable("invalid_event_object", detail));
    };
    Ok(members)
}

struct Object<'a>(Vec<Member<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<Member<'de>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                    if members.len() == MAX_MEMBERS {
                        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                        break;
                    }
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Members).map(Object)
    }
}

/// The first of an array of strings, one more than an event may have.
struct Topics(Vec<String>);

impl<'de> Deserialize<'de> for Topics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strings;
        impl<'de> Visitor<'de> for Strings {
            type Value = Topics;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of strings")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Topics, A::Error> {
                let mut topics = Vec::new();
                while topics.len() <= MAX_TOPICS
                    && let Some(topic) = seq.next_element()?
                {
                    topics.push(topic);
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Topics(topics))
            }
        }
        deserializer.deserialize_seq(Strings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Result<Event, Refusal> {
        let raw: Box<RawValue> = serde_json::from_str(text).unwrap();
        Fields::of_json(&raw)?.build()
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
    fn what_is_wrong_with_an_object_is_said() {
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
        let event = Fields::of_form(b"topic=a&topic=b&event=&data=")
            .unwrap()
            .build()
            .unwrap();
        assert_eq!(event.topics().len(), 2);
        assert_eq!((event.name(), event.data()), (None, ""));
    }

    #[test]
    fn the_query_serves_every_body_but_no_field_is_in_both() {
        let query = Fields::of_query("topic=a&topic=b&retry=5").unwrap();
        let event = Fields::of_text("x".into())
            .with_query(&query)
            .unwrap()
            .build()
            .unwrap();
        assert_eq!((event.topics().len(), event.retry_ms()), (2, Some(5)));
        let body = Fields::of_form(b"topic=c&data=").unwrap();
        assert_eq!(code(body.with_query(&query)), "duplicate_field");
        assert_eq!(
            code(Fields::of_query("topics=a&topic=b")),
            "duplicate_field"
        );
        assert_eq!(code(Fields::of_query("topik=a")), "unknown_field");
        assert_eq!(code(Fields::of_query("event=%FF")), "invalid_utf8");
    }
}
