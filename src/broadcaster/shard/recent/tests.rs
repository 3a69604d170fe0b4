use super::*;
use crate::{
    encoding::{Sse, StreamEncoding},
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
fn the_streams_of_a_shard_that_are_due_one_event_share_a_copy_of_their_own_from_the_second_on() {
    let mut walked = Walked::new(100);
    walked.walk(1..=1);
    let selector = Arc::new(Selector::topics(&["a"]).unwrap());
    let mut encoded = || {
        let due = walked.recent.due(&selector, EventId::new(0, 1)).unwrap();
        assert_eq!((due.events.count(), due.more), (1, false));
        due.events.encoded(StreamEncoding::plain(&Sse))
    };
    let [first, second, third] = [encoded(), encoded(), encoded()];
    assert_eq!(first, second);
    assert_ne!(first.as_ptr(), second.as_ptr());
    assert_eq!(second.as_ptr(), third.as_ptr());
    walked.walk(2..=2);
    assert!(walked.recent.shortcuts.is_empty());
    assert_eq!(walked.due(0), [1, 2]);
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
