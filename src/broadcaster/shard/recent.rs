//! The newest events that a shard's walks have passed, and what each stream is sent of them.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    sync::Arc,
};

use crate::{
    broadcaster::{item::Events, size::CHUNK},
    event::{EventId, Selector, Stored},
    history::{Erasure, Limit, LogPosition, Tail},
};

/// Most steps that are kept for others to share.
const MAX_STEPS: usize = 64;
/// Most steps that are found by the identity of their selector.
const MAX_SHORTCUTS: usize = 4;

/// The newest events that walks have passed, as far as the window still held them at the last walk. A stream that was
/// woken for one walk and has its turn after later ones is sent all of it in one step, without a read of history.
pub(super) struct RecentEvents {
    from: EventId,
    events: VecDeque<Arc<Stored>>,
    bytes: usize,
    /// What was due to streams since the last walk: those that are due the same share it, and what it is encoded to.
    steps: HashMap<Key, Due>,
    /// The first of them, and of those that are one event. Most streams of a shard share a few selectors.
    shortcuts: Vec<Shortcut>,
}

struct Shortcut {
    selector: Arc<Selector>,
    after: EventId,
    due: Due,
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

/// What is to be dropped outside of the lock.
pub(super) struct LeftOver {
    _steps: HashMap<Key, Due>,
    _shortcuts: Vec<Shortcut>,
    _events: Vec<Arc<Stored>>,
}

impl RecentEvents {
    pub(super) fn nothing(position: LogPosition) -> Self {
        Self {
            from: position.id,
            events: VecDeque::new(),
            bytes: 0,
            steps: HashMap::new(),
            shortcuts: Vec::new(),
        }
    }

    /// Adds what a walk is about, and drops the oldest past the limit, and those that the window has dropped.
    pub(super) fn extend(&mut self, tail: &Tail, limit: Limit) -> LeftOver {
        let (steps, shortcuts) = (mem::take(&mut self.steps), mem::take(&mut self.shortcuts));
        let mut dropped = Vec::new();
        let is_erasure = |stored: &Arc<Stored>| Erasure::of(stored.event()).is_some();
        // What was erased is sent to nobody any more: the window has what is left of it.
        if tail.lost || tail.events.iter().any(is_erasure) {
            dropped = mem::replace(self, Self::nothing(tail.from)).events.into();
        }
        for stored in &tail.events {
            self.bytes += stored.event().cost();
            self.events.push_back(Arc::clone(stored));
        }
        while self.events.len() > tail.events.len()
            && let Some(oldest) = self.events.front()
            && (self.events.len() > limit.events
                || self.bytes > limit.bytes
                || oldest.id() <= tail.floor)
        {
            self.from = oldest.id();
            self.bytes -= oldest.event().cost();
            dropped.extend(self.events.pop_front());
        }
        LeftOver {
            _steps: steps,
            _shortcuts: shortcuts,
            _events: dropped,
        }
    }

    /// The position before the first of them.
    pub(super) fn from(&self) -> EventId {
        self.from
    }

    fn after(&self, after: EventId) -> impl ExactSizeIterator<Item = &Arc<Stored>> {
        self.events.range(self.first_after(after)..)
    }

    fn first_after(&self, after: EventId) -> usize {
        let is_sent = |stored: &Arc<Stored>| stored.id() <= after;
        // Most streams lack the newest alone. To search among all reads events that are in no cache any more.
        match self.events.len().checked_sub(2) {
            Some(last_but_one) if is_sent(&self.events[last_but_one]) => {
                last_but_one + 1 + usize::from(self.events.back().is_some_and(is_sent))
            }
            _ => self.events.partition_point(is_sent),
        }
    }

    /// The position right before the first of them after `after` that the selector admits.
    pub(super) fn next(&self, selector: &Selector, after: EventId) -> Option<EventId> {
        position_before(self.after(after), selector, self.from.max(after))
    }

    /// What comes after `after` and the selector admits, up to [`CHUNK`].
    pub(super) fn due(&mut self, selector: &Arc<Selector>, after: EventId) -> Option<Due> {
        let is_same =
            |known: &&mut Shortcut| known.after == after && Arc::ptr_eq(&known.selector, selector);
        if let Some(known) = self.shortcuts.iter_mut().find(is_same) {
            known.due.events.own_encodings();
            return Some(known.due.clone());
        }
        let due = self.find_due(selector, after)?;
        // None is replaced: that would drop its selector under the shard's lock.
        if self.shortcuts.len() < MAX_SHORTCUTS {
            self.shortcuts.push(Shortcut {
                selector: Arc::clone(selector),
                after,
                due: due.clone(),
            });
        }
        Some(due)
    }

    fn find_due(&mut self, selector: &Arc<Selector>, after: EventId) -> Option<Due> {
        let mut events = self.after(after);
        // Live streams are mostly sent one event at a time.
        if events.len() <= 1 {
            let stored = events.find(|stored| selector.admits(stored.event()))?;
            let events = Events::one(stored);
            return Some(Due {
                events,
                more: false,
            });
        }
        let key = (Arc::clone(selector), after);
        if let Some(due) = self.steps.get(&key) {
            return Some(due.clone());
        }
        let (admitted, more) = admitted(events, selector);
        let events = Events::due(&admitted)?;
        let due = Due { events, more };
        if self.steps.len() < MAX_STEPS {
            self.steps.insert(key, due.clone());
        }
        Some(due)
    }
}

/// The position right before the first of these events that the selector admits; `before` is the one before them all.
pub(super) fn position_before<'a>(
    events: impl Iterator<Item = &'a Arc<Stored>>,
    selector: &Selector,
    mut before: EventId,
) -> Option<EventId> {
    for stored in events {
        if selector.admits(stored.event()) {
            return Some(before);
        }
        before = stored.id();
    }
    None
}

/// What the selector admits of these, up to [`CHUNK`], and whether there is more.
fn admitted<'a>(
    events: impl Iterator<Item = &'a Arc<Stored>>,
    selector: &Selector,
) -> (Vec<&'a Arc<Stored>>, bool) {
    let (mut admitted, mut bytes) = (Vec::new(), 0);
    for stored in events.filter(|stored| selector.admits(stored.event())) {
        bytes += stored.event().cost();
        if !admitted.is_empty() && (bytes > CHUNK.bytes || admitted.len() >= CHUNK.events) {
            return (admitted, true);
        }
        admitted.push(stored);
    }
    (admitted, false)
}

#[cfg(test)]
mod tests;
