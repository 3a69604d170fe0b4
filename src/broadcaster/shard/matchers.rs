//! Which senders of a shard subscribe by which matcher. However many subscribe by it, a matcher is kept once, and
//! asked once about a topic for as long as that is remembered.

mod memo;
mod set;

use std::collections::{HashMap, HashSet};

use self::{memo::Memo, set::MatcherSet};
use super::sender_indexes::{SenderIndex, SenderIndexes};
use crate::event::{Matcher, Selector, Topic};

/// By which a matcher of this shard is known. It is used again once nobody subscribes by that matcher.
pub(super) type Key = u32;

#[derive(Default)]
pub(super) struct Matchers {
    keys: HashMap<Matcher, Key>,
    /// By key.
    senders: Vec<SenderIndexes>,
    free: Vec<Key>,
    set: MatcherSet,
    memo: Memo,
}

impl Matchers {
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn insert(&mut self, matcher: &Matcher, selector: &Selector, index: SenderIndex) {
        let key = match self.keys.get(matcher) {
            Some(key) => *key,
            None => self.add(matcher),
        };
        self.senders[key as usize].insert(selector, index);
    }

    fn add(&mut self, matcher: &Matcher) -> Key {
        let key = self.free.pop().unwrap_or_else(|| {
            let key = Key::try_from(self.senders.len()).expect("fewer than 2^32 matchers");
            self.senders.push(SenderIndexes::default());
            key
        });
        self.keys.insert(matcher.clone(), key);
        self.set.insert(key, matcher);
        self.memo.matcher_added();
        key
    }

    /// Forgets the senders for which `is_gone`, which subscribed by these matchers.
    pub(super) fn sweep(
        &mut self,
        touched: &HashSet<&Matcher>,
        is_gone: impl Fn(SenderIndex) -> bool,
    ) {
        if touched.is_empty() {
            return;
        }
        for matcher in touched {
            let Some(&key) = self.keys.get(matcher) else {
                continue;
            };
            let senders = &mut self.senders[key as usize];
            senders.retain(|index| !is_gone(index));
            if senders.is_empty() {
                // What is remembered with this key finds no senders, and is out of date once another has the key.
                self.keys.remove(matcher);
                self.set.remove(key);
                self.free.push(key);
            }
        }
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Calls `visit` with each matcher that matches the topic, and its senders.
    pub(super) fn for_each_match(
        &mut self,
        topic: &Topic,
        mut visit: impl FnMut(Key, &SenderIndexes),
    ) {
        for key in self.memo.get_or_find(topic, &self.set) {
            if let Some(senders) = self.senders.get(*key as usize) {
                visit(*key, senders);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::memo::MAX_TOPICS;
    use super::*;
    use crate::event::{MatcherIndex, SelectedTopics, TopicMatcher};

    /// Selects one topic. Those with the same number are one; with a number of 10 or more they have no index.
    #[derive(Debug)]
    struct Numbered {
        number: usize,
        topic: &'static str,
        asked: Arc<AtomicUsize>,
    }

    impl TopicMatcher for Numbered {
        fn matches(&self, topic: &str) -> bool {
            self.asked.fetch_add(1, Ordering::Relaxed);
            topic == self.topic
        }

        fn id(&self) -> usize {
            self.number
        }

        fn new_index(&self) -> Option<Box<dyn MatcherIndex>> {
            Some(Box::<Index>::default())
        }
    }

    #[derive(Debug, Default)]
    struct Index(HashMap<Key, &'static str>);

    impl MatcherIndex for Index {
        fn insert(&mut self, key: Key, matcher: &dyn TopicMatcher) -> bool {
            let matcher: &dyn std::any::Any = matcher;
            let numbered = matcher.downcast_ref::<Numbered>();
            let Some(numbered) = numbered.filter(|numbered| numbered.number < 10) else {
                return false;
            };
            self.0.insert(key, numbered.topic);
            true
        }

        fn remove(&mut self, key: Key) {
            self.0.remove(&key);
        }

        fn find(&self, topic: &str, found: &mut dyn FnMut(Key)) {
            let matches = self.0.iter().filter(|(_, matched)| **matched == topic);
            matches.for_each(|(key, _)| found(*key));
        }
    }

    #[derive(Default)]
    struct Table {
        matchers: Matchers,
        asked: Arc<AtomicUsize>,
    }

    impl Table {
        fn selector(&self, number: usize, topic: &'static str) -> Selector {
            Selector::matching(Arc::new(Numbered {
                number,
                topic,
                asked: Arc::clone(&self.asked),
            }))
        }

        fn insert(&mut self, number: usize, topic: &'static str, index: SenderIndex) {
            let selector = self.selector(number, topic);
            let SelectedTopics::Matching(matching) = selector.selected() else {
                panic!("no matcher");
            };
            self.matchers
                .insert(&matching.handles()[0], &selector, index);
        }

        fn remove(&mut self, number: usize, index: SenderIndex) {
            let selector = self.selector(number, "");
            let SelectedTopics::Matching(matching) = selector.selected() else {
                panic!("no matcher");
            };
            let touched = matching.handles().iter().collect();
            self.matchers.sweep(&touched, |gone| gone == index);
        }

        fn found(&mut self, topic: &str) -> Vec<SenderIndex> {
            let (topic, mut found) = (Topic::new(topic).unwrap(), Vec::new());
            self.matchers.for_each_match(&topic, |_, senders| {
                found.extend(senders.all().iter().copied());
            });
            found.sort_unstable();
            found
        }
    }

    #[test]
    fn a_matcher_is_kept_once_and_asked_once_about_a_topic() {
        let mut table = Table::default();
        for index in 0..100 {
            table.insert(10, "a", index);
        }
        for _ in 0..3 {
            assert_eq!(table.found("a").len(), 100);
            assert_eq!(table.found("b"), [0; 0]);
        }
        assert_eq!(table.asked.load(Ordering::Relaxed), 2);
        assert_eq!(table.matchers.keys.len(), 1);
    }

    #[test]
    fn what_is_remembered_follows_matchers_that_come_and_go() {
        let mut table = Table::default();
        table.insert(1, "a", 1);
        table.insert(10, "a", 10);
        assert_eq!(table.found("a"), [1, 10]);
        table.insert(2, "a", 2);
        assert_eq!(table.found("a"), [1, 2, 10]);
        table.remove(1, 1);
        assert_eq!(table.found("a"), [2, 10]);
        // It has the key of the one that is gone.
        table.insert(11, "b", 11);
        assert_eq!(table.found("a"), [2, 10]);
        assert_eq!(table.found("b"), [11]);
        for (number, index) in [(2, 2), (10, 10), (11, 11)] {
            table.remove(number, index);
        }
        assert!(table.matchers.is_empty() && table.matchers.memo.is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut table = Table::default();
        for number in 0..100 {
            table.insert(10 + number, "a", u32::try_from(number).unwrap());
        }
        for number in 0..2 * MAX_TOPICS {
            table.found(&number.to_string());
            table.found("a");
        }
        table.matchers.memo.check_bounds();
    }
}
