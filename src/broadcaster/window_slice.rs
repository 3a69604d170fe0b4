//! What a walk is about, as its streams take it.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;

use super::buffers::Lease;
use crate::{
    event::{EventId, Format, Selector, Stored},
    history::{Found, Limit, LogPosition, Tail},
    sse::Frame,
    sync::Mutex,
};

/// How much a stream takes in one step, live or from history: a reader that stops reading pins no
/// more than this of what others have long had.
pub(super) const CHUNK: Limit = Limit {
    events: if cfg!(all(test, shuttle)) { 2 } else { 256 },
    bytes: 128 << 10,
};
/// Most joined batches that are kept for others to share.
const MAX_JOINED: usize = 64;

/// The slice of the window that a walk is about, and what was joined of it, so that subscribers that
/// are due the same share it.
pub(super) struct WindowSlice {
    pub(super) tail: Tail,
    joined: Mutex<HashMap<Key, Batch>>,
}

type Key = (Arc<Selector>, Format, EventId);

/// What one poll takes.
#[derive(Clone)]
pub(super) struct Batch {
    pub(super) bytes: Bytes,
    pub(super) events: u64,
    pub(super) last: EventId,
    /// More is due behind it.
    pub(super) more: bool,
}

impl WindowSlice {
    pub(super) fn new(tail: Tail) -> Self {
        Self {
            tail,
            joined: Mutex::default(),
        }
    }

    pub(super) fn nothing(place: LogPosition) -> Self {
        Self::new(Tail {
            from: place,
            to: place,
            events: Vec::new(),
            lost: false,
        })
    }

    fn after(&self, after: EventId) -> (usize, &[Arc<Stored>]) {
        let events = &self.tail.events;
        let first = events.partition_point(|stored| stored.id() <= after);
        (first, &events[first..])
    }

    /// The position right before the first event after `after` that the selector admits.
    pub(super) fn next(&self, selector: &Selector, after: EventId) -> Option<EventId> {
        let (first, events) = self.after(after);
        let admitted = |stored: &Arc<Stored>| selector.admits(stored.event());
        let next = first + events.iter().position(admitted)?;
        let before = match next.checked_sub(1) {
            Some(before) => self.tail.events[before].id(),
            None => self.tail.from.id,
        };
        Some(before.max(after))
    }

    /// What comes after `after` and the selector admits, up to [`CHUNK`], in one piece.
    pub(super) fn batch(
        &self,
        selector: &Arc<Selector>,
        format: Format,
        after: EventId,
    ) -> Option<Batch> {
        let (_, events) = self.after(after);
        if let [stored] = events {
            let admitted = selector.admits(stored.event());
            return admitted.then(|| join(&[stored], format, false))?;
        }
        let key = (Arc::clone(selector), format, after);
        if let Some(batch) = self.joined.lock().get(&key) {
            return Some(batch.clone());
        }
        let (due, more) = due(events, selector);
        let batch = join(&due, format, more)?;
        let mut joined = self.joined.lock();
        if joined.len() < MAX_JOINED {
            joined.insert(key, batch.clone());
        }
        Some(batch)
    }
}

/// What the selector admits of these, up to [`CHUNK`], and whether there is more.
fn due<'a>(events: &'a [Arc<Stored>], selector: &Selector) -> (Vec<&'a Arc<Stored>>, bool) {
    let (mut due, mut bytes) = (Vec::new(), 0);
    for stored in events {
        if !selector.admits(stored.event()) {
            continue;
        }
        bytes += stored.event().cost();
        if !due.is_empty() && (bytes > CHUNK.bytes || due.len() >= CHUNK.events) {
            return (due, true);
        }
        due.push(stored);
    }
    (due, false)
}

/// The frames of what was read from history; `None` for no events. Of what was fetched for this stream
/// alone, they are kept for nobody else either. They count against the budget of replays but for the frame
/// of a single event that others share.
pub(super) fn join_read(events: &[Found], format: Format, lease: Lease) -> Option<Batch> {
    if let [Found::Shared(stored)] = events {
        return join(&[stored], format, false);
    }
    let last = events.last()?.id();
    let text = events.iter().map(Found::text_bytes).sum::<usize>();
    let bytes = text + events.len() * Frame::OVERHEAD_BYTES;
    let mut joined = Vec::with_capacity(bytes);
    for found in events {
        match found {
            Found::Shared(stored) => joined.extend_from_slice(&Frame::of(stored, format)),
            Found::Fetched(fetched) => Frame::append(fetched, format, &mut joined),
        }
    }
    Some(Batch {
        bytes: lease.hold(joined),
        events: events.len() as u64,
        last,
        more: false,
    })
}

/// The frames of these events, one behind the other; `None` for no events.
fn join(events: &[&Arc<Stored>], format: Format, more: bool) -> Option<Batch> {
    let last = events.last()?.id();
    let bytes = if let [stored] = events {
        Frame::of(stored, format)
    } else {
        let frames: Vec<_> = events
            .iter()
            .map(|stored| Frame::of(stored, format))
            .collect();
        frames.concat().into()
    };
    Some(Batch {
        bytes,
        events: events.len() as u64,
        last,
        more,
    })
}
