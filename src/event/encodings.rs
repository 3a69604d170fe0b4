//! The encodings of the events that a window holds: as many bytes as the window has reserved for them.

use std::{
    any::TypeId,
    collections::VecDeque,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

use super::Stored;

/// What an encoding takes beside its bytes: what owns them, its entries here and beside its event, and what the
/// allocator rounds up.
const OVERHEAD_BYTES: usize = 128;

/// Tells the encodings of one event apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EncodingKey {
    /// The type of the encoder.
    pub(crate) encoder: TypeId,
    /// The number of the content coding; 0 for text.
    pub(crate) coding: u32,
}

/// Oldest first: what was encoded last is likely to be asked for again.
#[derive(Debug, Default)]
pub(crate) struct Encodings(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    kept: VecDeque<Kept>,
    bytes: usize,
    max: usize,
}

#[derive(Debug)]
struct Kept {
    stored: Weak<Stored>,
    encoding: EncodingKey,
    bytes: usize,
}

impl Encodings {
    /// Sets how many bytes may be kept, and drops the oldest encodings past it.
    pub(crate) fn set_max(&self, bytes: usize) {
        let mut state = self.0.lock();
        state.max = bytes;
        state.drop_oldest(0);
    }

    /// Counts an encoding that was just made, and drops the oldest past the bound. The new one stays, however large:
    /// it is about to be sent.
    pub(super) fn keep(&self, stored: &Arc<Stored>, encoding: EncodingKey, bytes: usize) {
        let bytes = OVERHEAD_BYTES + bytes + bytes / 8;
        let mut state = self.0.lock();
        state.bytes += bytes;
        state.kept.push_back(Kept {
            stored: Arc::downgrade(stored),
            encoding,
            bytes,
        });
        state.drop_oldest(1);
    }
}

impl State {
    /// Drops the oldest encodings while there are too many bytes of them, but keeps so many; and those of events
    /// that are gone.
    fn drop_oldest(&mut self, at_least: usize) {
        while let Some(oldest) = self.kept.front() {
            let stored = oldest.stored.upgrade();
            let is_over = self.bytes > self.max && self.kept.len() > at_least;
            if stored.is_some() && !is_over {
                return;
            }
            let Some(Kept {
                encoding, bytes, ..
            }) = self.kept.pop_front()
            else {
                return;
            };
            self.bytes -= bytes;
            if let Some(stored) = stored {
                stored.forget(encoding);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::event::{Event, EventId};

    const KEYS: [EncodingKey; 2] = [key(0), key(1)];

    const fn key(coding: u32) -> EncodingKey {
        EncodingKey {
            encoder: TypeId::of::<()>(),
            coding,
        }
    }

    #[test]
    fn the_oldest_encodings_go_when_there_are_too_many_bytes_of_them_and_the_newest_stays() {
        let encodings = Arc::new(Encodings::default());
        encodings.set_max(1_000);
        let events: Vec<_> = (1..=10)
            .map(|n| {
                let event = Event::builder("x").build().unwrap();
                let stored = Arc::new(Stored::new(EventId::new(n, 1), n, event));
                stored.keep_encodings(&encodings);
                stored.encoded(KEYS[0], || Bytes::from(vec![0; 300]));
                stored
            })
            .collect();
        let kept = |stored: &Arc<Stored>| stored.is_encoded(KEYS[0]);
        assert_eq!(events.iter().filter(|stored| kept(stored)).count(), 2);
        assert!(kept(&events[9]) && kept(&events[8]));
        events[0].encoded(KEYS[1], || Bytes::from(vec![0; 100_000]));
        assert!(events[0].is_encoded(KEYS[1]) && !kept(&events[9]));
    }
}
