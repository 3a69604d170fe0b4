//! What happens to traced events: for code that records spans.

use std::{fmt, time::Instant};

use super::PublishError;
use crate::{
    event::{Event, EventId, Traceparent},
    history::Appended,
};

/// Receives what happens to batches and events that have a [`Traceparent`], and nothing else. The broadcaster calls
/// it on the threads that publish and walk: it must not wait.
pub trait TraceObserver: fmt::Debug + Send + Sync {
    /// History has appended a batch, or refused it.
    fn appended(&self, append: &Append<'_>);

    /// A walk has woken the subscribers of one thread that an event was for.
    fn delivered(&self, delivery: &Delivery<'_>);
}

/// One append to history.
#[derive(Debug)]
#[non_exhaustive]
pub struct Append<'a> {
    /// The span of the publish.
    pub traceparent: &'a Traceparent,
    /// When history was called; it has returned just now.
    pub started: Instant,
    /// How many events the batch has.
    pub events: usize,
    /// What history returned.
    pub result: Result<&'a Appended, PublishError>,
}

/// One walk past an event.
#[derive(Debug)]
#[non_exhaustive]
pub struct Delivery<'a> {
    /// The span that the event was published in.
    pub traceparent: &'a Traceparent,
    /// Its position.
    pub id: EventId,
    /// What was published.
    pub event: &'a Event,
    /// When this process received the event; the walk has ended just now.
    pub appended: Instant,
    /// How many subscribers the walk has woken, at least one. Those that were behind are not among them: they come to
    /// the event by themselves.
    pub woken: usize,
    /// How many events the walk was about.
    pub events: usize,
}
