//! What is appended in one step, and what comes of it.

use std::fmt;

use bytes::Bytes;

use crate::event::{Event, EventId};

/// What is appended in one step.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// In the order in which they get their ids; at least one.
    pub events: Vec<Event>,
    /// Values to retain, written at the position of the batch's last event.
    pub retain: Vec<Retain>,
    /// What must be so, or nothing is written.
    pub preconditions: Vec<Precondition>,
}

impl std::convert::From<Event> for Batch {
    fn from(event: Event) -> Self {
        vec![event].into()
    }
}

impl std::convert::From<Vec<Event>> for Batch {
    fn from(events: Vec<Event>) -> Self {
        Self {
            events,
            ..Self::default()
        }
    }
}

/// What a publisher keeps reserved until its events are in the window.
#[derive(Default)]
pub struct ReservationGuard(Option<Box<dyn Send>>);

impl ReservationGuard {
    pub(crate) fn new(reserved: impl Send + 'static) -> Self {
        Self(Some(Box::new(reserved)))
    }
}

impl fmt::Debug for ReservationGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReservationGuard")
            .field(&self.0.is_some())
            .finish()
    }
}

/// A value to keep under a key, outside of the events' retention; `None` removes it.
#[derive(Debug, Clone)]
pub struct Retain {
    /// Any text.
    pub key: String,
    /// `None` removes what is there.
    pub value: Option<Bytes>,
}

/// The id at which a retained key must have been written; `None`: it must not be there.
#[derive(Debug, Clone)]
pub struct Precondition {
    /// Of the value.
    pub key: String,
    /// `None`: no value is there.
    pub written_at: Option<EventId>,
}

/// The positions of a batch's events, in its order. An event whose idempotency key history still
/// holds has the position of its first publish, and was not appended again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// As many as the batch has events.
    pub ids: Vec<EventId>,
}
