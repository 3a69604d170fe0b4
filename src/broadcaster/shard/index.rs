//! Which senders of a shard subscribe to which topic, so that a publish costs by what it matches.

use std::collections::{HashMap, HashSet};

use crate::event::{EventId, SelectedTopics, Selector, Topic};
use crate::history::Tail;

/// A sender's index in its shard's list.
pub(in crate::broadcaster) type SenderIndex = u32;

#[derive(Default)]
pub(super) struct TopicIndex {
    all: SenderIndexes,
    topics: HashMap<Topic, SenderIndexes>,
}

#[derive(Default)]
struct SenderIndexes {
    any: Vec<SenderIndex>,
    /// Those of them that get private events too.
    private: Vec<SenderIndex>,
}

impl SenderIndexes {
    fn insert(&mut self, selector: &Selector, index: SenderIndex) {
        self.any.push(index);
        if selector.admits_private() {
            self.private.push(index);
        }
    }

    fn retain(&mut self, mut is_kept: impl FnMut(SenderIndex) -> bool) {
        self.any.retain(|index| is_kept(*index));
        self.private.retain(|index| is_kept(*index));
    }

    fn for_event(&self, private: bool) -> &[SenderIndex] {
        if private { &self.private } else { &self.any }
    }
}

impl TopicIndex {
    pub(super) fn insert(&mut self, selector: &Selector, index: SenderIndex) {
        match selector.selected() {
            SelectedTopics::All => self.all.insert(selector, index),
            SelectedTopics::Topics(topics) => {
                for topic in topics {
                    if let Some(senders) = self.topics.get_mut(topic) {
                        senders.insert(selector, index);
                    } else {
                        let mut senders = SenderIndexes::default();
                        senders.insert(selector, index);
                        self.topics.insert(topic.clone(), senders);
                    }
                }
            }
        }
    }

    /// Forgets the senders for which `is_gone`, which had these selectors.
    pub(super) fn sweep<'a>(
        &mut self,
        selectors: impl Iterator<Item = &'a Selector>,
        is_gone: impl Fn(SenderIndex) -> bool,
    ) {
        let (mut all, mut touched) = (false, HashSet::new());
        for selector in selectors {
            match selector.selected() {
                SelectedTopics::All => all = true,
                SelectedTopics::Topics(topics) => touched.extend(topics),
            }
        }
        if all {
            self.all.retain(|index| !is_gone(index));
        }
        for topic in touched {
            if let Some(senders) = self.topics.get_mut(topic) {
                senders.retain(|index| !is_gone(index));
                if senders.any.is_empty() {
                    self.topics.remove(topic);
                }
            }
        }
    }

    /// The senders that something in `tail` matches, each with the position right before its first
    /// match: a sender may come more than once, its earliest position first.
    pub(super) fn matches(&self, tail: &Tail) -> Vec<(SenderIndex, EventId)> {
        let mut seen: HashSet<(&Topic, bool)> = HashSet::new();
        let mut all_seen = [self.all.any.is_empty(); 2];
        let mut matches = Vec::new();
        let mut before = tail.from.id;
        for stored in &tail.events {
            let private = stored.event().is_private();
            for topic in stored.event().topics() {
                if !topic.is_internal()
                    && !std::mem::replace(&mut all_seen[usize::from(private)], true)
                {
                    let senders = self.all.for_event(private);
                    matches.extend(senders.iter().map(|index| (*index, before)));
                }
                if self.topics.is_empty() || !seen.insert((topic, private)) {
                    continue;
                }
                if let Some(senders) = self.topics.get(topic) {
                    let senders = senders.for_event(private);
                    matches.extend(senders.iter().map(|index| (*index, before)));
                }
            }
            before = stored.id();
        }
        matches
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::{Event, Stored};
    use crate::history::{Limit, Retention, Window};

    fn tail(topics: &[&str]) -> Tail {
        let of = |topic: &&str| Event::builder("").topic(*topic).build().unwrap();
        tail_of(topics.iter().map(of).collect())
    }

    fn tail_of(events: Vec<Event>) -> Tail {
        let window = Window::new(Retention::default(), 1, EventId::new(0, 0));
        let start = window.head();
        for (number, event) in events.into_iter().enumerate() {
            let id = EventId::new(number as u64 + 1, 1);
            window.push(vec![Arc::new(Stored::new(id, 0, event))]);
        }
        let limit = Limit {
            events: 100,
            bytes: usize::MAX,
        };
        window.after(start, limit)
    }

    #[test]
    fn a_match_stands_right_before_the_first_event_that_is_due() {
        let mut index = TopicIndex::default();
        index.insert(&Selector::topics(&["b"]).unwrap(), 7);
        index.insert(&Selector::all(), 8);
        let matches = index.matches(&tail(&["a", "b", "b"]));
        assert_eq!(matches, [(8, EventId::new(0, 0)), (7, EventId::new(1, 1))]);
    }

    #[test]
    fn a_private_event_matches_those_alone_who_may_have_it() {
        let mut index = TopicIndex::default();
        index.insert(&Selector::topics(&["a"]).unwrap(), 1);
        index.insert(&Selector::topics(&["a"]).unwrap().with_private(), 2);
        index.insert(&Selector::all(), 3);
        let private = Event::builder("").topic("a").private().build().unwrap();
        assert_eq!(
            index.matches(&tail_of(vec![private])),
            [(2, EventId::new(0, 0))]
        );
    }

    #[test]
    fn a_topic_that_nobody_asks_for_any_more_leaves_nothing_behind() {
        let mut index = TopicIndex::default();
        let selector = Selector::topics(&["a", "b"]).unwrap();
        index.insert(&selector, 1);
        index.sweep([&selector].into_iter(), |index| index == 1);
        assert!(index.topics.is_empty());
        assert!(index.matches(&tail(&["a"])).is_empty());
    }
}
