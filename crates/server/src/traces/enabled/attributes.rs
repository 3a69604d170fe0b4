//! The attributes of spans, and contexts as the SDK has them. Names are those of OpenTelemetry's conventions, where
//! these have one.
//!
//! A trace leaves the server: no data, token, user, address or query is in it, and no topic of a private event.

use std::str::FromStr as _;

use opentelemetry::{
    Context, KeyValue,
    trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState},
};
use sse_broadcaster::event::{Event, Topic, Traceparent};

pub(super) const BATCH_COUNT: &str = "messaging.batch.message_count";
pub(super) const DESTINATION: &str = "messaging.destination.name";
pub(super) const ERROR_TYPE: &str = "error.type";
pub(super) const HISTORY: &str = "sse_broadcaster.history";
pub(super) const MESSAGE_ID: &str = "messaging.message.id";
pub(super) const METHOD: &str = "http.request.method";
pub(super) const ROUTE: &str = "http.route";
pub(super) const STATUS: &str = "http.response.status_code";
pub(super) const SUBSCRIBERS: &str = "sse_broadcaster.subscribers";
pub(super) const THREAD: &str = "thread.name";
pub(super) const WALK_EVENTS: &str = "sse_broadcaster.walk.events";

/// What every span has.
pub(super) fn system() -> KeyValue {
    KeyValue::new("messaging.system", "sse_broadcaster")
}

/// As a value of the SDK, which has signed numbers only.
pub(super) fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The first topic of an event that everybody may be told of.
pub(super) fn destination(event: &Event) -> Option<&str> {
    let topic = event.topics().first().filter(|_| !event.is_private());
    topic.map(Topic::as_str)
}

/// The context of a span elsewhere. A `tracestate` that is not valid is left out.
pub(super) fn remote(parent: &Traceparent, tracestate: Option<&str>) -> SpanContext {
    let flags = if parent.is_sampled() {
        TraceFlags::SAMPLED
    } else {
        TraceFlags::default()
    };
    let state = tracestate.and_then(|text| TraceState::from_str(text).ok());
    SpanContext::new(
        TraceId::from_bytes(parent.trace_id()),
        SpanId::from_bytes(parent.span_id()),
        flags,
        true,
        state.unwrap_or_default(),
    )
}

/// The same for the children of that span.
pub(super) fn context(parent: &Traceparent, tracestate: Option<&str>) -> Context {
    Context::new().with_remote_span_context(remote(parent, tracestate))
}
