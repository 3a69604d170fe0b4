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

/// Oldest first: what was encoded last is likely to be asked for again.
#[derive(Debug, Default)]
pub(crate) struct Encodings(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    kept: VecDeque<Kept>,
    bytes: usize,
    most: usize,
}

#[derive(Debug)]
struct Kept {
    stored: Weak<Stored>,
    encoder: TypeId,
    bytes: usize,
}

impl Encodings {
    /// How many bytes may be kept from now on.
    pub(crate) fn bound(&self, most: usize) {
        let mut state = self.0.lock();
        state.most = most;
        state.forget(0);
    }

    /// Notes what was encoded just now, and lets go of older ones for it. The new one stays, however large: it
    /// is about to be sent.
    pub(super) fn keep(&self, stored: &Arc<Stored>, encoder: TypeId, bytes: usize) {
        let bytes = OVERHEAD_BYTES + bytes + bytes / 8;
        let mut state = self.0.lock();
        state.bytes += bytes;
        state.kept.push_back(Kept {
            stored: Arc::downgrade(stored),
            encoder,
            bytes,
        });
        state.forget(1);
    }
}

impl State {
    fn forget(&mut self, at_least: usize) {
        while let Some(oldest) = self.kept.front() {
            let stored = oldest.stored.upgrade();
            let is_over = self.bytes > self.most && self.kept.len() > at_least;
            if stored.is_some() && !is_over {
                return;
            }
            let Some(Kept { encoder, bytes, .. }) = self.kept.pop_front() else {
                return;
            };
            self.bytes -= bytes;
            if let Some(stored) = stored {
                stored.forget(encoder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::event::{Event, EventId};

    #[test]
    fn the_oldest_encodings_go_when_there_are_too_many_bytes_of_them_and_the_newest_stays() {
        let encodings = Arc::new(Encodings::default());
        encodings.bound(1_000);
        let events: Vec<_> = (1..=10)
            .map(|n| {
                let event = Event::builder("x").build().unwrap();
                let stored = Arc::new(Stored::new(EventId::new(n, 1), n, event));
                stored.keep_encodings(&encodings);
                stored.encoded(TypeId::of::<u8>(), || Bytes::from(vec![0; 300]));
                stored
            })
            .collect();
        let kept = |stored: &Arc<Stored>| stored.is_encoded(TypeId::of::<u8>());
        assert_eq!(events.iter().filter(|stored| kept(stored)).count(), 2);
        assert!(kept(&events[9]) && kept(&events[8]));
        events[0].encoded(TypeId::of::<u16>(), || Bytes::from(vec![0; 100_000]));
        assert!(events[0].is_encoded(TypeId::of::<u16>()) && !kept(&events[9]));
    }
}
