//! The spans of what follows a publish: the append to history, and the deliveries.

use std::{
    thread,
    time::{Instant, SystemTime},
};

use opentelemetry::{
    KeyValue,
    trace::{Span as _, SpanBuilder, SpanKind, Status, Tracer as _},
};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use sse_broadcaster::{
    broadcaster::{Append, Delivery, TraceObserver},
    event::Traceparent,
};
use sse_broadcaster_http::Refusal;

use super::attributes::{
    BATCH_COUNT, DESTINATION, ERROR_TYPE, HISTORY, MESSAGE_ID, SUBSCRIBERS, THREAD, WALK_EVENTS,
    context, count, destination, system,
};

/// Records spans of what has just ended.
#[derive(Debug)]
pub(super) struct Observer {
    pub(super) tracer: SdkTracer,
    /// The name of the history, for example `memory`.
    pub(super) history: &'static str,
}

impl Observer {
    /// A span that began at `started`; `None` if it is not sampled.
    fn span(&self, name: &'static str, parent: &Traceparent, started: Instant) -> Option<Span> {
        let builder = SpanBuilder::from_name(name)
            .with_kind(SpanKind::Internal)
            .with_start_time(SystemTime::now() - started.elapsed());
        let parent = context(parent, None);
        let mut span = self.tracer.build_with_context(builder, &parent);
        if !span.span_context().is_sampled() {
            return None;
        }
        span.set_attribute(system());
        Some(span)
    }
}

impl TraceObserver for Observer {
    fn appended(&self, append: &Append<'_>) {
        let Some(mut span) = self.span("append", append.traceparent, append.started) else {
            return;
        };
        span.set_attribute(KeyValue::new(HISTORY, self.history));
        if append.events > 1 {
            span.set_attribute(KeyValue::new(BATCH_COUNT, count(append.events)));
        }
        match &append.result {
            Ok(appended) => {
                if let [id] = appended.ids[..] {
                    span.set_attribute(KeyValue::new(MESSAGE_ID, id.to_string()));
                }
            }
            Err(error) => {
                let code = Refusal::from(error.clone()).code();
                span.set_attribute(KeyValue::new(ERROR_TYPE, code));
                span.set_status(Status::error(code));
            }
        }
        span.end();
    }

    fn delivered(&self, delivery: &Delivery<'_>) {
        let Some(mut span) = self.span("deliver", delivery.traceparent, delivery.appended) else {
            return;
        };
        span.set_attribute(KeyValue::new(MESSAGE_ID, delivery.id.to_string()));
        span.set_attribute(KeyValue::new(SUBSCRIBERS, count(delivery.woken)));
        span.set_attribute(KeyValue::new(WALK_EVENTS, count(delivery.events)));
        if let Some(topic) = destination(delivery.event) {
            span.set_attribute(KeyValue::new(DESTINATION, topic.to_owned()));
        }
        if let Some(name) = thread::current().name() {
            span.set_attribute(KeyValue::new(THREAD, name.to_owned()));
        }
        span.end();
    }
}
