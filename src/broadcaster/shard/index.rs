//! Which senders of a shard subscribe to which topic, so that a publish costs by what it matches.

use std::collections::{HashMap, HashSet};

use super::{
    matchers::Matchers,
    sender_indexes::{SenderIndex, SenderIndexes},
};
use crate::{
    event::{EventId, SelectedTopics, Selector, Topic},
    history::Tail,
};

#[derive(Default)]
pub(super) struct TopicIndex {
    all: SenderIndexes,
    topics: HashMap<Topic, SenderIndexes>,
    matchers: Matchers,
}

impl TopicIndex {
    pub(super) fn insert(&mut self, selector: &Selector, index: SenderIndex) {
        match selector.selected() {
            SelectedTopics::All | SelectedTopics::Every => self.all.insert(selector, index),
            SelectedTopics::Topics(topics) => self.insert_topics(topics, selector, index),
            SelectedTopics::Matching(matching) => {
                self.insert_topics(matching.topics(), selector, index);
                for matcher in matching.handles() {
                    self.matchers.insert(matcher, selector, index);
                }
            }
        }
    }

    fn insert_topics(&mut self, topics: &[Topic], selector: &Selector, index: SenderIndex) {
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

    /// Forgets the senders for which `is_gone`, which had these selectors.
    pub(super) fn sweep<'a>(
        &mut self,
        selectors: impl Iterator<Item = &'a Selector>,
        is_gone: impl Fn(SenderIndex) -> bool,
    ) {
        let (mut all, mut touched, mut matchers) = (false, HashSet::new(), HashSet::new());
        for selector in selectors {
            match selector.selected() {
                SelectedTopics::All | SelectedTopics::Every => all = true,
                SelectedTopics::Topics(topics) => touched.extend(topics),
                SelectedTopics::Matching(matching) => {
                    touched.extend(matching.topics());
                    matchers.extend(matching.handles());
                }
            }
        }
        if all {
            self.all.retain(|index| !is_gone(index));
        }
        for topic in touched {
            if let Some(senders) = self.topics.get_mut(topic) {
                senders.retain(|index| !is_gone(index));
                if senders.is_empty() {
                    self.topics.remove(topic);
                }
            }
        }
        self.matchers.sweep(&matchers, is_gone);
    }

    /// The senders that something in `tail` matches, each with the position right before its first
    /// match: a sender may come more than once, its earliest position first.
    pub(super) fn matches(&mut self, tail: &Tail) -> Vec<(SenderIndex, EventId)> {
        let mut seen: HashSet<(&Topic, bool)> = HashSet::new();
        let mut seen_matchers = HashSet::new();
        let mut all_seen = [self.all.is_empty(); 2];
        let is_indexed = !self.topics.is_empty() || !self.matchers.is_empty();
        let mut matches = Vec::new();
        let mut before = tail.from.id;
        for stored in &tail.events {
            let private = stored.event().is_private();
            for topic in stored.event().topics() {
                if !topic.is_internal()
                    && !std::mem::replace(&mut all_seen[usize::from(private)], true)
                {
                    matches.extend(self.all.of_event(private, before));
                }
                if !is_indexed || !seen.insert((topic, private)) {
                    continue;
                }
                if let Some(senders) = self.topics.get(topic) {
                    matches.extend(senders.of_event(private, before));
                }
                if self.matchers.is_empty() || topic.is_internal() {
                    continue;
                }
                self.matchers.for_each_match(topic, |key, senders| {
                    if seen_matchers.insert((key, private)) {
                        matches.extend(senders.of_event(private, before));
                    }
                });
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
    use crate::event::{Event, Stored, TopicMatcher};
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

    /// Selects the topics that begin with this.
    #[derive(Debug)]
    struct Prefix(&'static str);

    impl TopicMatcher for Prefix {
        fn matches(&self, topic: &str) -> bool {
            topic.starts_with(self.0)
        }
    }

    fn matching(topics: &[&str], prefix: &'static str) -> Selector {
        let topics = topics.iter().map(|topic| topic.parse().unwrap());
        let prefix: Arc<dyn TopicMatcher> = Arc::new(Prefix(prefix));
        Selector::any_of(topics, [prefix]).unwrap()
    }

    #[test]
    fn senders_by_topic_and_by_matcher_are_found_at_their_first_match() {
        let mut index = TopicIndex::default();
        index.insert(&matching(&["x"], "b"), 1);
        index.insert(&matching(&[], "ba"), 2);
        index.insert(&matching(&["x"], "c"), 3);
        let position = |number| EventId::new(number, 1);
        let found = index.matches(&tail(&["a", "b", "ba", "bb", "x"]));
        let expected = [
            (1, position(1)),
            (2, position(2)),
            (1, position(4)),
            (3, position(4)),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_private_event_matches_those_who_subscribe_by_a_matcher_only_where_they_may_have_it() {
        let mut index = TopicIndex::default();
        let selector = matching(&[], "a");
        index.insert(&selector, 1);
        index.insert(&selector.with_private(), 2);
        let event = |topic: &str| Event::builder("").topic(topic).private().build().unwrap();
        let matches = index.matches(&tail_of(vec![event("b"), event("ab")]));
        assert_eq!(matches, [(2, EventId::new(1, 1))]);
    }

    #[test]
    fn a_topic_that_nobody_asks_for_any_more_leaves_nothing_behind() {
        let mut index = TopicIndex::default();
        let selector = Selector::topics(&["a", "b"]).unwrap();
        index.insert(&selector, 1);
        index.sweep([&selector].into_iter(), |index| index == 1);
        assert!(index.topics.is_empty());
        let selector = matching(&["a", "b"], "a");
        index.insert(&selector, 1);
        index.insert(&selector, 2);
        index.sweep([&selector].into_iter(), |index| index == 1);
        assert_eq!(index.matches(&tail(&["ab"])), [(2, EventId::new(0, 0))]);
        index.sweep([&selector].into_iter(), |index| index == 2);
        assert!(index.topics.is_empty() && index.matchers.is_empty());
        assert!(index.matches(&tail(&["a"])).is_empty());
    }
}
