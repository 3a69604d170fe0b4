//! The slice of the window that a walk is about, and what each stream is sent of it.

use std::{collections::HashMap, sync::Arc};

use crate::{
    broadcaster::{item::Events, size::CHUNK},
    event::{EventId, Selector, Stored},
    history::{LogPosition, Tail},
    sync::Mutex,
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

    pub(super) fn nothing(position: LogPosition) -> Self {
        Self::new(Tail {
            from: position,
            to: position,
            events: Vec::new(),
            lost: false,
        })
    }

    pub(super) fn epoch(&self) -> u64 {
        self.tail.to.epoch
    }

    /// The position before its first event.
    pub(super) fn from(&self) -> EventId {
        self.tail.from.id
    }

    /// Its events that come after this position.
    pub(super) fn after(&self, after: EventId) -> &[Arc<Stored>] {
        &self.tail.events[self.index_after(after)..]
    }

    fn index_after(&self, after: EventId) -> usize {
        let events = &self.tail.events;
        events.partition_point(|stored| stored.id() <= after)
    }

    /// The position right before the first event after `after` that the selector admits.
    pub(super) fn next(&self, selector: &Selector, after: EventId) -> Option<EventId> {
        let first = self.index_after(after);
        let events = &self.tail.events[first..];
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
        let key = (Arc::clone(selector), after);
        if let Some(due) = self.steps.lock().get(&key) {
            return Some(due.clone());
        }
        let (admitted, more) = admitted(self.after(after), selector);
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
