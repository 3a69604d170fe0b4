//! The traces that publishes belong to: `traceparent` of the request, and the spans that the application records.

use std::fmt;

use sse_broadcaster::{
    event::{Event, EventId, Traceparent},
    history::Batch,
};

use crate::{AppState, RefusalNote, RequestHead, Response, request::visible_text};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
/// Longest `tracestate` that is taken, in bytes. A longer one is left out, as the standard allows.
const MAX_TRACESTATE_BYTES: usize = 512;

/// Records spans of publishes, for [`AppState::tracer`]. It must not wait.
pub trait PublishTracer: fmt::Debug + Send + Sync {
    /// Begins the span of a request or a message; `None` if it is not sampled.
    fn begin(&self, publish: &TracedPublish<'_>) -> Option<Box<dyn PublishSpan>>;
}

/// What a span is about. Dropping it ends it, as when the client disconnects.
pub trait PublishSpan: fmt::Debug + Send {
    /// The context of the span, which is sampled.
    fn traceparent(&self) -> Traceparent;

    /// These events go to history next, in one batch.
    fn publishing(&mut self, events: &[Event]);

    /// History has assigned these positions.
    fn published(&mut self, ids: &[EventId]);

    /// The response has this status and, for a refusal, this code.
    fn end(self: Box<Self>, status: u16, code: Option<&'static str>);
}

/// A request or a message that publishes.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct TracedPublish<'a> {
    /// The method of the request; `None` for a message of a WebSocket.
    pub method: Option<&'a str>,
    /// The route, for example `/events`, without what clients put into the path.
    pub route: &'static str,
    /// The context that the client sent.
    pub parent: Option<&'a Traceparent>,
    /// `tracestate`, of at most 512 bytes; only with a parent.
    pub tracestate: Option<&'a str>,
}

/// The trace of one publish: what the client sent, and the span that is recorded of it.
#[derive(Debug)]
pub struct PublishTrace {
    sent: Option<Traceparent>,
    span: Option<Box<dyn PublishSpan>>,
}

impl PublishTrace {
    /// Of a request to this route. A `traceparent` that is not valid is ignored, as the standard requires.
    pub fn begin(state: &AppState, request: &impl RequestHead, route: &'static str) -> Self {
        let parent = traceparent(request);
        let tracestate = state
            .tracer
            .as_ref()
            .zip(parent)
            .and_then(|_| tracestate(request));
        Self::of(
            state,
            &TracedPublish {
                method: Some(request.method()),
                route,
                parent: parent.as_ref(),
                tracestate: tracestate.as_deref(),
            },
        )
    }

    /// Of a message of a WebSocket, whose events name their traces.
    #[must_use]
    pub fn begin_message(state: &AppState, route: &'static str) -> Self {
        Self::of(
            state,
            &TracedPublish {
                method: None,
                route,
                parent: None,
                tracestate: None,
            },
        )
    }

    fn of(state: &AppState, publish: &TracedPublish<'_>) -> Self {
        let tracer = state.tracer.as_ref();
        Self {
            sent: publish.parent.copied(),
            span: tracer.and_then(|tracer| tracer.begin(publish)),
        }
    }

    /// The event in this trace, unless it names one itself.
    #[must_use]
    pub fn adopt(&self, event: Event) -> Event {
        let span = self.span.as_ref().map(|span| span.traceparent());
        event.in_trace(span.or(self.sent))
    }

    /// A batch of these events, each in this trace unless it names one itself.
    pub fn batch(&mut self, events: Vec<Event>) -> Batch {
        let events: Vec<Event> = events.into_iter().map(|event| self.adopt(event)).collect();
        let Some(span) = &mut self.span else {
            return events.into();
        };
        span.publishing(&events);
        Batch::from(events).traceparent(span.traceparent())
    }

    /// History has assigned these positions.
    pub fn published(&mut self, ids: &[EventId]) {
        if let Some(span) = &mut self.span {
            span.published(ids);
        }
    }

    /// Ends the span with this response.
    pub fn end(self, response: &Response) {
        let refused = response.extensions().get::<RefusalNote>();
        self.end_as(response.status().as_u16(), refused.map(|note| note.code));
    }

    /// Ends the span with this status and, for a refusal, its code.
    pub fn end_as(self, status: u16, code: Option<&'static str>) {
        if let Some(span) = self.span {
            span.end(status, code);
        }
    }
}

/// What the client sent, if it did once and it is valid.
pub(crate) fn traceparent(request: &impl RequestHead) -> Option<Traceparent> {
    let mut values = request.header_values(TRACEPARENT);
    let value = values.next().filter(|_| values.next().is_none())?;
    visible_text(value).trim().parse().ok()
}

/// The values of all headers of this name, as one list.
fn tracestate(request: &impl RequestHead) -> Option<String> {
    let values = request.header_values(TRACESTATE).map(visible_text);
    let list = values.collect::<Vec<_>>().join(",");
    (!list.is_empty() && list.len() <= MAX_TRACESTATE_BYTES).then_some(list)
}
