//! The span of one publish: a request, or a message of a WebSocket.

use opentelemetry::{
    Context, KeyValue,
    trace::{Span as _, SpanBuilder, SpanKind, Status, Tracer as _},
};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use sse_broadcaster::event::{Event, EventId, Traceparent};
use sse_broadcaster_http::{PublishSpan, PublishTracer, TracedPublish};

use super::attributes::{
    BATCH_COUNT, DESTINATION, ERROR_TYPE, MESSAGE_ID, METHOD, ROUTE, STATUS, context, count,
    destination, remote, system,
};

/// Begins spans for the routes.
#[derive(Debug)]
pub(super) struct Publishes(pub(super) SdkTracer);

impl PublishTracer for Publishes {
    fn begin(&self, publish: &TracedPublish<'_>) -> Option<Box<dyn PublishSpan>> {
        let parent = publish.parent;
        let parent = parent.map_or_else(Context::new, |parent| context(parent, publish.tracestate));
        let builder = SpanBuilder::from_name("publish").with_kind(SpanKind::Server);
        let mut span = self.0.build_with_context(builder, &parent);
        // Most are not sampled, and cost no more than this.
        if !span.span_context().is_sampled() {
            return None;
        }
        let own = span.span_context();
        let traceparent =
            Traceparent::new(own.trace_id().to_bytes(), own.span_id().to_bytes(), true)?;
        span.update_name(format!(
            "{} {}",
            publish.method.unwrap_or("message"),
            publish.route
        ));
        span.set_attribute(system());
        span.set_attribute(KeyValue::new("messaging.operation.name", "publish"));
        span.set_attribute(KeyValue::new("messaging.operation.type", "send"));
        span.set_attribute(KeyValue::new(ROUTE, publish.route));
        if let Some(method) = publish.method {
            span.set_attribute(KeyValue::new(METHOD, method.to_owned()));
        }
        Some(Box::new(Recording {
            span,
            traceparent,
            is_request: publish.method.is_some(),
            events: 0,
            topic: None,
            is_one_topic: true,
            last_id: None,
        }))
    }
}

#[derive(Debug)]
struct Recording {
    span: Span,
    traceparent: Traceparent,
    is_request: bool,
    events: usize,
    /// The first topic of all events so far, while it is one and none of them is private.
    topic: Option<String>,
    is_one_topic: bool,
    last_id: Option<EventId>,
}

impl Recording {
    fn add_topic(&mut self, event: &Event) {
        if !self.is_one_topic {
            return;
        }
        let topic = destination(event);
        match &self.topic {
            None if self.events == 0 => self.topic = topic.map(ToOwned::to_owned),
            known => self.is_one_topic = known.as_deref() == topic,
        }
    }
}

impl PublishSpan for Recording {
    fn traceparent(&self) -> Traceparent {
        self.traceparent
    }

    fn publishing(&mut self, events: &[Event]) {
        for event in events {
            self.add_topic(event);
            self.events += 1;
            let named = event.traceparent();
            if let Some(other) = named.filter(|named| **named != self.traceparent) {
                self.span.add_link(remote(other, None), Vec::new());
            }
        }
    }

    fn published(&mut self, ids: &[EventId]) {
        self.last_id = ids.last().copied();
    }

    fn end(mut self: Box<Self>, status: u16, code: Option<&'static str>) {
        let span = &mut self.span;
        if self.is_request {
            span.set_attribute(KeyValue::new(STATUS, i64::from(status)));
        }
        if self.events > 1 {
            span.set_attribute(KeyValue::new(BATCH_COUNT, count(self.events)));
        } else if let Some(id) = self.last_id {
            span.set_attribute(KeyValue::new(MESSAGE_ID, id.to_string()));
        }
        if let Some(topic) = self.topic.take().filter(|_| self.is_one_topic) {
            span.set_attribute(KeyValue::new(DESTINATION, topic));
        }
        if let Some(code) = code {
            span.set_attribute(KeyValue::new(ERROR_TYPE, code));
        }
        // What the client did wrong is no error of this server, by the conventions.
        if status >= 500 {
            span.set_status(Status::error(code.unwrap_or_default()));
        }
        span.end();
    }
}
