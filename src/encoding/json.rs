//! Every field of an event as a JSON object.

use serde::Serialize;

use super::Encoder;
use crate::{
    clock::{from_unix_ms, rfc3339},
    event::{EventId, Fields, Traceparent},
    sse::{end_block, json, write_field},
};

/// Unnamed events whose data is a JSON object with every field, the topics among them.
#[derive(Debug, Clone, Copy)]
pub struct Json;

impl Json {
    /// The event as one line of text, which is not kept for others. `time_ms` is when history appended it, in
    /// milliseconds since the Unix epoch.
    #[must_use]
    pub fn text(id: EventId, time_ms: u64, fields: &Fields<'_>) -> String {
        whole(id, time_ms, fields, None)
    }
}

/// As [`Json`], with the trace that the event was published in as the member `traceparent`, if it has one.
#[derive(Debug, Clone, Copy)]
pub struct TracedJson;

impl TracedJson {
    /// As [`Json::text`].
    #[must_use]
    pub fn text(id: EventId, time_ms: u64, fields: &Fields<'_>) -> String {
        whole(id, time_ms, fields, fields.traceparent)
    }
}

fn whole(
    id: EventId,
    time_ms: u64,
    fields: &Fields<'_>,
    traceparent: Option<Traceparent>,
) -> String {
    #[derive(Serialize)]
    struct Whole<'a> {
        id: String,
        #[serde(rename = "own_id")]
        idempotency_key: Option<&'a str>,
        topics: &'a [&'a str],
        event: Option<&'a str>,
        data: &'a str,
        retry: Option<u64>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        private: bool,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        finish: bool,
        time: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        traceparent: Option<String>,
    }
    json(&Whole {
        id: id.to_string(),
        idempotency_key: fields.idempotency_key,
        topics: &fields.topics,
        event: fields.name,
        data: fields.data(),
        retry: fields.retry_ms,
        private: fields.private,
        finish: fields.finishes(),
        time: rfc3339(from_unix_ms(time_ms)),
        traceparent: traceparent.map(|parent| parent.to_string()),
    })
}

impl Encoder for Json {
    fn event(&self, id: EventId, time_ms: u64, fields: &Fields<'_>, out: &mut Vec<u8>) {
        write_field(out, "data", &Self::text(id, time_ms, fields));
        end_block(out, id);
    }
}

impl Encoder for TracedJson {
    fn event(&self, id: EventId, time_ms: u64, fields: &Fields<'_>, out: &mut Vec<u8>) {
        write_field(out, "data", &Self::text(id, time_ms, fields));
        end_block(out, id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        encoding::encode,
        event::{Event, Stored},
    };

    #[test]
    fn the_json_form_holds_every_field_on_one_line() {
        let event = Event::builder("a\nb")
            .topic("t")
            .idempotency_key("mine")
            .build();
        let stored = Arc::new(Stored::new(EventId::new(5, 1), 1_000, event.unwrap()));
        let text = "{\"id\":\"5-1\",\"own_id\":\"mine\",\"topics\":[\"t\"],\"event\":null,\
             \"data\":\"a\\nb\",\"retry\":null,\"time\":\"1970-01-01T00:00:01.000Z\"}";
        assert_eq!(encode(&stored, &Json), format!("data: {text}\nid: 5-1\n\n"));
        assert_eq!(encode(&stored, &TracedJson), encode(&stored, &Json));
    }

    #[test]
    fn only_the_traced_json_form_holds_the_traceparent_of_a_sampled_trace() {
        let traced = |is_sampled| {
            let traceparent = Traceparent::new([1; 16], [2; 8], is_sampled).unwrap();
            let event = Event::builder("a").traceparent(traceparent).build();
            Arc::new(Stored::new(EventId::new(5, 1), 1_000, event.unwrap()))
        };
        let member = format!(
            r#""traceparent":"00-{}-{}-01""#,
            "01".repeat(16),
            "02".repeat(8)
        );
        let text = |stored: &Arc<Stored>, encoder| {
            String::from_utf8(encode(stored, encoder).to_vec()).unwrap()
        };
        assert!(text(&traced(true), &TracedJson).contains(&member));
        assert!(!text(&traced(true), &Json).contains("traceparent"));
        assert!(!text(&traced(false), &TracedJson).contains("traceparent"));
    }
}
