//! An event of a history: its id, its time and its encodings.

use std::{
    sync::{Arc, OnceLock},
    time::{Instant, SystemTime},
};

use bytes::Bytes;
use parking_lot::RwLock;
use smallvec::SmallVec;

use super::{EncodingKey, Encodings, Event, EventId};
use crate::clock::from_unix_ms;

/// An event of a history, with its id and time, and the encodings that are kept of it.
#[derive(Debug)]
pub struct Stored {
    id: EventId,
    time_ms: u64,
    appended: Instant,
    event: Event,
    /// The encodings that are kept.
    kept: RwLock<SmallVec<[(EncodingKey, Bytes); 1]>>,
    /// Counts its encodings against the window's bound; not set for an event that is in no window.
    encodings: OnceLock<Arc<Encodings>>,
}

impl Stored {
    /// An event that has just been appended.
    #[must_use]
    pub fn new(id: EventId, time_ms: u64, event: Event) -> Self {
        Self::appended_at(id, time_ms, event, Instant::now())
    }

    /// An event that this process received at `appended`; `time_ms` as [`time_ms`](Self::time_ms).
    #[must_use]
    pub fn appended_at(id: EventId, time_ms: u64, event: Event, appended: Instant) -> Self {
        Self {
            id,
            time_ms,
            appended,
            event,
            kept: RwLock::default(),
            encodings: OnceLock::new(),
        }
    }

    /// Its position.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.id
    }

    /// When history appended the event, by the log's clock, which may go back; to the millisecond.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        from_unix_ms(self.time_ms)
    }

    /// Milliseconds since the Unix epoch at which history appended the event, by the log's clock, which may go
    /// back.
    #[must_use]
    pub fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// When this process received the event.
    #[must_use]
    pub fn appended(&self) -> Instant {
        self.appended
    }

    /// What was published.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// What is left of it once it is erased, in the same place.
    #[must_use]
    pub fn erased(&self) -> Self {
        Self::appended_at(self.id, self.time_ms, self.event.erased(), self.appended)
    }

    /// Counts its encodings among these, from the first one on.
    pub(crate) fn keep_encodings(&self, encodings: &Arc<Encodings>) {
        let _ = self.encodings.set(Arc::clone(encodings));
    }

    /// This encoding of it: made at the first call, and shared while it is kept.
    pub(crate) fn encoded(
        self: &Arc<Self>,
        encoding: EncodingKey,
        encode: impl FnOnce() -> Bytes,
    ) -> Bytes {
        if let Some(bytes) = find(&self.kept.read(), encoding) {
            return bytes.clone();
        }
        let bytes = {
            let mut kept = self.kept.write();
            if let Some(bytes) = find(&kept, encoding) {
                return bytes.clone();
            }
            let bytes = encode();
            kept.push((encoding, bytes.clone()));
            bytes
        };
        // Without the lock: to drop other encodings takes the locks of their events.
        if let Some(encodings) = self.encodings.get() {
            encodings.keep(self, encoding, bytes.len());
        }
        bytes
    }

    pub(super) fn forget(&self, encoding: EncodingKey) {
        let mut kept = self.kept.write();
        kept.retain(|(of, _)| *of != encoding);
        // A list of two has its own allocation, which one does not need.
        kept.shrink_to_fit();
    }

    #[cfg(test)]
    pub(super) fn is_encoded(&self, encoding: EncodingKey) -> bool {
        find(&self.kept.read(), encoding).is_some()
    }
}

fn find(kept: &[(EncodingKey, Bytes)], encoding: EncodingKey) -> Option<&Bytes> {
    let found = kept.iter().find(|(of, _)| *of == encoding);
    found.map(|(_, bytes)| bytes)
}
