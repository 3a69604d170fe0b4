//! Different matchers, and those of them that match a topic.

use std::collections::HashMap;

use super::Key;
use crate::event::{Matcher, MatcherIndex};

/// Finds the matchers that match a topic.
#[derive(Default)]
pub(super) struct MatcherSet {
    indexes: Vec<Box<dyn MatcherIndex>>,
    /// Those that no index holds.
    others: HashMap<Key, Matcher>,
}

impl MatcherSet {
    pub(super) fn insert(&mut self, key: Key, matcher: &Matcher) {
        let holds = |index: &mut Box<dyn MatcherIndex>| index.insert(key, matcher.get());
        if self.indexes.iter_mut().any(holds) {
            return;
        }
        if let Some(mut index) = matcher.get().new_index()
            && index.insert(key, matcher.get())
        {
            self.indexes.push(index);
        } else {
            self.others.insert(key, matcher.clone());
        }
    }

    pub(super) fn remove(&mut self, key: Key) {
        if self.others.remove(&key).is_none() {
            self.indexes.iter_mut().for_each(|index| index.remove(key));
        }
    }

    pub(super) fn find(&self, topic: &str) -> Box<[Key]> {
        let others = self.others.iter();
        let matches = others.filter(|(_, matcher)| matcher.get().matches(topic));
        let mut found: Vec<_> = matches.map(|(key, _)| *key).collect();
        for index in &self.indexes {
            index.find(topic, &mut |key| found.push(key));
        }
        found.into()
    }
}
