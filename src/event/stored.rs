use std::{sync::OnceLock, time::Instant};

use bytes::Bytes;

use super::{Event, EventId};

/// How an event is written on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Form {
    /// The event's own fields as those of the event stream.
    #[default]
    Sse,
    /// Unnamed events whose data is a JSON object with every field, the topics among them.
    Json,
    /// Of the changes of signals alone.
    #[cfg(feature = "signals")]
    Signal(SignalForm),
}

/// How the changes of signals are written on the wire.
#[cfg(feature = "signals")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SignalForm {
    /// Unnamed events with `{"name":…,"patch":[…]}`, whose patch is a JSON Patch (RFC 6902).
    #[default]
    Patch,
    /// Events named after their signal, with `{"patch":[…]}`.
    Event,
    /// Datastar's `datastar-patch-signals` with a JSON Merge Patch (RFC 7396).
    Datastar,
}

/// An event that history took, with its position, and a cell for each form it may be encoded in.
#[derive(Debug)]
pub struct Stored {
    id: EventId,
    time_ms: u64,
    appended: Instant,
    event: Event,
    cells: [OnceLock<Bytes>; 2],
    /// Those of the forms that only signals have.
    #[cfg(feature = "signals")]
    signal_cells: OnceLock<Box<[OnceLock<Bytes>; 3]>>,
}

impl Stored {
    #[must_use]
    pub fn new(id: EventId, time_ms: u64, event: Event) -> Self {
        Self::appended_at(id, time_ms, event, Instant::now())
    }

    pub(crate) fn appended_at(id: EventId, time_ms: u64, event: Event, appended: Instant) -> Self {
        Self {
            id,
            time_ms,
            appended,
            event,
            cells: Default::default(),
            #[cfg(feature = "signals")]
            signal_cells: OnceLock::new(),
        }
    }

    #[must_use]
    pub fn id(&self) -> EventId {
        self.id
    }

    /// Milliseconds since the Unix epoch at which history took the event, by the log's clock, which may go
    /// back.
    #[must_use]
    pub fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// When this process got hold of the event.
    #[must_use]
    pub fn appended(&self) -> Instant {
        self.appended
    }

    #[must_use]
    pub fn event(&self) -> &Event {
        &self.event
    }

    pub(crate) fn cell(&self, form: Form) -> &OnceLock<Bytes> {
        match form {
            Form::Sse => &self.cells[0],
            Form::Json => &self.cells[1],
            #[cfg(feature = "signals")]
            Form::Signal(form) => &self.signal_cells.get_or_init(Box::default)[form as usize],
        }
    }
}
