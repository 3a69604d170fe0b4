//! Spans as the JSON of OTLP 1.0: the mapping of Protocol Buffers, but ids are hexadecimal and enums are numbers.
//!
//! JSON needs no crate that the program does not have: see `docs/decisions/24-traces.md`.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::{
    Array, InstrumentationScope, KeyValue, Value,
    trace::{Event, Link, SpanContext, SpanKind, Status},
};
use opentelemetry_sdk::{Resource, trace::SpanData};
use serde::Serialize;
use serde_json::json;

/// The flags of a span: whether it is known of its parent that it is remote, and whether it is.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// The body of a request with these spans.
pub(super) fn body(resource: &Resource, spans: &[SpanData]) -> serde_json::Result<Vec<u8>> {
    let attributes = resource.iter().map(|(key, value)| Attribute {
        key: key.as_str().to_owned(),
        value: any_value(value),
    });
    let scope = spans.first().map(|span| scope(&span.instrumentation_scope));
    serde_json::to_vec(&json!({
        "resourceSpans": [{
            "resource": { "attributes": attributes.collect::<Vec<_>>() },
            "scopeSpans": [{
                "scope": scope,
                "spans": spans.iter().map(Span::of).collect::<Vec<_>>(),
            }],
        }],
    }))
}

fn scope(scope: &InstrumentationScope) -> serde_json::Value {
    json!({ "name": scope.name(), "version": scope.version() })
}

#[derive(Serialize)]
struct Attribute {
    key: String,
    value: serde_json::Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_field_names, reason = "these are the names of OTLP")]
struct Span<'a> {
    trace_id: String,
    span_id: String,
    trace_state: String,
    parent_span_id: String,
    flags: u32,
    name: &'a str,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<Attribute>,
    dropped_attributes_count: u32,
    events: Vec<serde_json::Value>,
    dropped_events_count: u32,
    links: Vec<serde_json::Value>,
    dropped_links_count: u32,
    status: serde_json::Value,
}

impl<'a> Span<'a> {
    fn of(span: &'a SpanData) -> Self {
        let has_parent = span.parent_span_id != opentelemetry::trace::SpanId::INVALID;
        Self {
            trace_id: span.span_context.trace_id().to_string(),
            span_id: span.span_context.span_id().to_string(),
            trace_state: span.span_context.trace_state().header(),
            parent_span_id: if has_parent {
                span.parent_span_id.to_string()
            } else {
                String::new()
            },
            flags: flags(&span.span_context, span.parent_span_is_remote),
            name: &span.name,
            kind: kind(&span.span_kind),
            start_time_unix_nano: nanos(span.start_time),
            end_time_unix_nano: nanos(span.end_time),
            attributes: attributes(&span.attributes),
            dropped_attributes_count: span.dropped_attributes_count,
            events: span.events.events.iter().map(event).collect(),
            dropped_events_count: span.events.dropped_count,
            links: span.links.links.iter().map(link).collect(),
            dropped_links_count: span.links.dropped_count,
            status: status(&span.status),
        }
    }
}

fn flags(context: &SpanContext, is_remote: bool) -> u32 {
    let remote = if is_remote { IS_REMOTE } else { 0 };
    u32::from(context.trace_flags().to_u8()) | HAS_IS_REMOTE | remote
}

fn kind(kind: &SpanKind) -> u8 {
    match kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    }
}

fn nanos(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_nanos().to_string()
}

fn event(event: &Event) -> serde_json::Value {
    json!({
        "timeUnixNano": nanos(event.timestamp),
        "name": event.name,
        "attributes": attributes(&event.attributes),
        "droppedAttributesCount": event.dropped_attributes_count,
    })
}

fn link(link: &Link) -> serde_json::Value {
    let context = &link.span_context;
    json!({
        "traceId": context.trace_id().to_string(),
        "spanId": context.span_id().to_string(),
        "traceState": context.trace_state().header(),
        "flags": flags(context, context.is_remote()),
        "attributes": attributes(&link.attributes),
        "droppedAttributesCount": link.dropped_attributes_count,
    })
}

fn status(status: &Status) -> serde_json::Value {
    match status {
        Status::Unset => json!({}),
        Status::Ok => json!({ "code": 1 }),
        Status::Error { description } => json!({ "code": 2, "message": description }),
    }
}

fn attributes(attributes: &[KeyValue]) -> Vec<Attribute> {
    let attributes = attributes.iter().map(|attribute| Attribute {
        key: attribute.key.as_str().to_owned(),
        value: any_value(&attribute.value),
    });
    attributes.collect()
}

/// Whole numbers are texts, since JSON's numbers are not exact.
fn any_value(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(value) => json!({ "boolValue": value }),
        Value::I64(value) => json!({ "intValue": value.to_string() }),
        Value::F64(value) => json!({ "doubleValue": value }),
        Value::Array(values) => json!({ "arrayValue": { "values": array(values) } }),
        value => json!({ "stringValue": value.as_str() }),
    }
}

fn array(values: &Array) -> Vec<serde_json::Value> {
    fn all<T: Clone + Into<Value>>(values: &[T]) -> Vec<serde_json::Value> {
        let values = values.iter().cloned().map(Into::into);
        values.map(|value| any_value(&value)).collect()
    }
    match values {
        Array::Bool(values) => all(values),
        Array::I64(values) => all(values),
        Array::F64(values) => all(values),
        Array::String(values) => all(values),
        _ => Vec::new(),
    }
}

/// How many spans a response rejects, and why; none for a response that does not say so.
pub(super) fn rejected(response: &[u8]) -> (u64, String) {
    #[derive(serde::Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct PartialSuccess {
        rejected_spans: serde_json::Value,
        error_message: String,
    }
    #[derive(serde::Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Body {
        partial_success: PartialSuccess,
    }
    let body: Body = serde_json::from_slice(response).unwrap_or_default();
    let PartialSuccess {
        rejected_spans,
        error_message,
    } = body.partial_success;
    // A number of 64 bits is a text in this mapping, but not all collectors keep to that.
    let of_text = || rejected_spans.as_str().and_then(|text| text.parse().ok());
    let count = rejected_spans.as_u64().or_else(of_text).unwrap_or(0);
    (count, error_message)
}
