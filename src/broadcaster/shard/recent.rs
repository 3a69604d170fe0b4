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

/// The newest events that walks have passed, as far as the window still held them at the last walk. A stream that was
/// woken for one walk and has its turn after later ones is sent all of it in one step, without a read of history.
pub(super) struct RecentEvents {
    from: EventId,
    events: VecDeque<Arc<Stored>>,
    bytes: usize,
    /// What was due to streams since the last walk: those that are due the same share it, and what it is encoded to.
    steps: HashMap<Key, Due>,
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
pub(super) type LeftOver = (HashMap<Key, Due>, Vec<Arc<Stored>>);

impl RecentEvents {
    pub(super) fn nothing(position: LogPosition) -> Self {
        Self {
            from: position.id,
            events: VecDeque::new(),
            bytes: 0,
            steps: HashMap::new(),
        }
    }

    /// Adds what a walk is about, and drops the oldest past the limit, and those that the window has dropped.
    pub(super) fn extend(&mut self, tail: &Tail, limit: Limit) -> LeftOver {
        let steps = mem::take(&mut self.steps);
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
        (steps, dropped)
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
mod tests {
    use super::*;
    use crate::{
        event::Event,
        history::{Retention, Window},
    };

    const LIMIT: Limit = Limit {
        events: 4,
        bytes: usize::MAX,
    };

    /// A window, and what a shard's walks have passed of it.
    struct Walked {
        window: Window,
        position: LogPosition,
        recent: RecentEvents,
    }

    impl Walked {
        fn new(events: usize) -> Self {
            let retention = Retention {
                events,
                ..Retention::default()
            };
            let window = Window::new(retention, 1, EventId::new(0, 0));
            let position = window.head();
            Self {
                recent: RecentEvents::nothing(position),
                window,
                position,
            }
        }

        fn walk(&mut self, ids: std::ops::RangeInclusive<u64>) {
            let event = || Event::builder("x").topic("a").build().unwrap();
            let stored = ids.map(|ms| Arc::new(Stored::new(EventId::new(ms, 1), ms, event())));
            self.push(stored.collect());
        }

        fn push(&mut self, stored: Vec<Arc<Stored>>) {
            self.window.push(stored);
            let tail = self.window.after(self.position, LIMIT);
            self.position = tail.to;
            drop(self.recent.extend(&tail, LIMIT));
        }

        fn due(&mut self, after: u64) -> Vec<u64> {
            let selector = Arc::new(Selector::topics(&["a"]).unwrap());
            let due = self.recent.due(&selector, EventId::new(after, 1));
            let events = due.iter().flat_map(|due| due.events.iter());
            events.map(|found| found.id().ms()).collect()
        }
    }

    #[test]
    fn a_stream_that_has_its_turn_after_several_walks_is_due_what_they_were_about() {
        let mut walked = Walked::new(100);
        (1..=3).for_each(|ms| walked.walk(ms..=ms));
        assert_eq!(walked.due(0), [1, 2, 3]);
        assert_eq!(walked.due(1), [2, 3]);
        assert_eq!(walked.due(2), [3]);
        assert!(walked.due(3).is_empty());
    }

    #[test]
    fn the_oldest_are_dropped_past_the_limit_and_what_one_walk_is_about_is_kept() {
        let mut walked = Walked::new(100);
        walked.walk(1..=3);
        walked.walk(4..=6);
        assert_eq!(walked.recent.from(), EventId::new(2, 1));
        assert_eq!(walked.due(2), [3, 4, 5, 6]);
        walked.walk(7..=10);
        assert_eq!(walked.recent.from(), EventId::new(6, 1));
    }

    #[test]
    fn what_the_window_has_dropped_is_dropped_with_the_next_walk() {
        let mut walked = Walked::new(2);
        walked.walk(1..=1);
        walked.walk(2..=2);
        walked.walk(3..=3);
        assert_eq!(walked.recent.from(), EventId::new(1, 1));
    }

    #[test]
    fn nothing_from_before_an_erasure_is_due_behind_it() {
        let mut walked = Walked::new(100);
        walked.walk(1..=2);
        let erasure = Erasure {
            topic: "a".parse().unwrap(),
            up_to: None,
            scope: crate::history::EraseScope::Every,
        };
        let event = erasure.event(EventId::new(2, 1));
        walked.push(vec![Arc::new(Stored::new(EventId::new(3, 1), 3, event))]);
        assert_eq!(walked.recent.from(), EventId::new(2, 1));
        assert!(walked.due(0).is_empty());
    }

    #[test]
    fn streams_that_are_due_the_same_share_it_until_the_next_walk() {
        let mut walked = Walked::new(100);
        let selector = Arc::new(Selector::topics(&["a"]).unwrap());
        walked.walk(1..=2);
        let after = EventId::new(0, 1);
        walked.recent.due(&selector, after).unwrap();
        assert_eq!(walked.recent.steps.len(), 1);
        walked.recent.due(&selector, after).unwrap();
        assert_eq!(walked.recent.steps.len(), 1);
        walked.walk(3..=3);
        assert!(walked.recent.steps.is_empty());
        assert_eq!(walked.due(0), [1, 2, 3]);
    }
}
