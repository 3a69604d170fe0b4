//! What a walk is about, as its streams take it.

use std::{collections::HashMap, sync::Arc};

use super::item::Events;
use crate::{
    event::{EventId, Selector, Stored},
    history::{Limit, LogPosition, Tail},
    sync::Mutex,
};

/// How much a stream takes in one step, live or from history: a reader that stops reading pins no
/// more than this of what others have long had.
pub(super) const CHUNK: Limit = Limit {
    events: if cfg!(all(test, shuttle)) { 2 } else { 256 },
    bytes: 128 << 10,
};
/// Most steps that are kept for others to share.
const MAX_STEPS: usize = 64;

/// The slice of the window that a walk is about, and the steps that were taken in it, so that subscribers that
/// are due the same share them, and what they are encoded to.
pub(super) struct WindowSlice {
    pub(super) tail: Tail,
    steps: Mutex<HashMap<Key, Due>>,
}

/// What is asked for, and the id after which it is due.
type Key = (Arc<Selector>, EventId);

/// What one poll takes.
#[derive(Clone)]
pub(super) struct Due {
    pub(super) events: Events,
    /// More is due behind them.
    pub(super) more: bool,
}

impl WindowSlice {
    pub(super) fn new(tail: Tail) -> Self {
        Self {
            tail,
            steps: Mutex::default(),
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

    /// What comes after `after` and the selector admits, up to [`CHUNK`].
    pub(super) fn due(&self, selector: &Arc<Selector>, after: EventId) -> Option<Due> {
        let (_, events) = self.after(after);
        if let [stored] = events {
            return selector.admits(stored.event()).then(|| Due {
                events: Events::one(stored),
                more: false,
            });
        }
        let key = (Arc::clone(selector), after);
        if let Some(due) = self.steps.lock().get(&key) {
            return Some(due.clone());
        }
        let (admitted, more) = admitted(events, selector);
        let events = Events::due(&admitted)?;
        let due = Due { events, more };
        let mut steps = self.steps.lock();
        if steps.len() < MAX_STEPS {
            steps.insert(key, due.clone());
        }
        Some(due)
    }
}

/// What the selector admits of these, up to [`CHUNK`], and whether there is more.
fn admitted<'a>(events: &'a [Arc<Stored>], selector: &Selector) -> (Vec<&'a Arc<Stored>>, bool) {
    let (mut admitted, mut bytes) = (Vec::new(), 0);
    for stored in events {
        if !selector.admits(stored.event()) {
            continue;
        }
        bytes += stored.event().cost();
        if !admitted.is_empty() && (bytes > CHUNK.bytes || admitted.len() >= CHUNK.events) {
            return (admitted, true);
        }
        admitted.push(stored);
    }
    (admitted, false)
}
