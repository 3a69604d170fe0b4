use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use bytes::Bytes;
use parking_lot::RwLock;

use super::{Encodings, Event, EventId};

/// How an event is written on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// The event's own fields as those of the event stream.
    #[default]
    Sse,
    /// Unnamed events whose data is a JSON object with every field, the topics among them.
    Json,
    /// Of the changes of signals alone.
    Signal(SignalFormat),
}

/// How the changes of signals are written on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SignalFormat {
    /// Unnamed events with `{"name":…,"patch":[…]}`, whose patch is a JSON Patch (RFC 6902).
    #[default]
    Patch,
    /// Events named after their signal, with `{"patch":[…]}`.
    Event,
    /// Datastar's `datastar-patch-signals` with a JSON Merge Patch (RFC 7396).
    Datastar,
}

/// An encoding, if it is kept.
type Cell = RwLock<Option<Bytes>>;

/// An event that history took, with its position, and a cell for each format it may be encoded in.
#[derive(Debug)]
pub struct Stored {
    id: EventId,
    time_ms: u64,
    appended: Instant,
    event: Event,
    cells: [Cell; 2],
    /// Those of the formats that only signals have.
    signal_cells: OnceLock<Box<[Cell; 3]>>,
    /// Which encodings are kept, where these are bounded.
    encodings: OnceLock<Arc<Encodings>>,
}

impl Stored {
    #[must_use]
    pub fn new(id: EventId, time_ms: u64, event: Event) -> Self {
        Self::appended_at(id, time_ms, event, Instant::now())
    }

    #[must_use]
    pub fn appended_at(id: EventId, time_ms: u64, event: Event, appended: Instant) -> Self {
        Self {
            id,
            time_ms,
            appended,
            event,
            cells: Default::default(),
            signal_cells: OnceLock::new(),
            encodings: OnceLock::new(),
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

    /// Has its encodings counted among these, from the first one on.
    pub(crate) fn keep_encodings(&self, encodings: &Arc<Encodings>) {
        let _ = self.encodings.set(Arc::clone(encodings));
    }

    /// Its encoding in this format, which is made once for all who ask while it is kept.
    pub(crate) fn encoded(
        self: &Arc<Self>,
        format: Format,
        encode: impl FnOnce() -> Bytes,
    ) -> Bytes {
        if let Some(bytes) = &*self.cell(format).read() {
            return bytes.clone();
        }
        let bytes = {
            let mut cell = self.cell(format).write();
            if let Some(bytes) = &*cell {
                return bytes.clone();
            }
            cell.insert(encode()).clone()
        };
        // Behind the cell's lock: what is let go of for it locks cells, too.
        if let Some(encodings) = self.encodings.get() {
            encodings.keep(self, format, bytes.len());
        }
        bytes
    }

    pub(super) fn forget(&self, format: Format) {
        *self.cell(format).write() = None;
    }

    #[cfg(test)]
    pub(super) fn is_encoded(&self, format: Format) -> bool {
        self.cell(format).read().is_some()
    }

    fn cell(&self, format: Format) -> &Cell {
        match format {
            Format::Sse => &self.cells[0],
            Format::Json => &self.cells[1],
            Format::Signal(format) => &self.signal_cells.get_or_init(Box::default)[format as usize],
        }
    }
}
