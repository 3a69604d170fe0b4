//! Which matchers match the topics that were published lately.

use std::collections::HashMap;

use super::{Key, set::MatcherSet};
use crate::event::Topic;

/// Most topics for which it is remembered which matchers match them.
pub(super) const MAX_TOPICS: usize = 4_096;
/// Most matches that are remembered of all topics together.
const MAX_MATCHES: usize = 1 << 16;

/// What was found for the topics that were published lately.
#[derive(Default)]
pub(super) struct Memo {
    topics: HashMap<Topic, Remembered>,
    matches: usize,
    /// Counts the matchers that were added: what was found before lacks them.
    generation: u64,
}

struct Remembered {
    generation: u64,
    keys: Box<[Key]>,
}

impl Memo {
    /// What was found before lacks it.
    pub(super) fn matcher_added(&mut self) {
        self.generation += 1;
    }

    pub(super) fn get_or_find(&mut self, topic: &Topic, set: &MatcherSet) -> &[Key] {
        let is_known = |known: &Remembered| known.generation == self.generation;
        if !self.topics.get(topic).is_some_and(is_known) {
            self.remember(topic, set.find(topic.as_str()));
        }
        &self.topics[topic].keys
    }

    fn remember(&mut self, topic: &Topic, keys: Box<[Key]>) {
        if self.topics.len() >= MAX_TOPICS || self.matches + keys.len() > MAX_MATCHES {
            self.topics.clear();
            self.matches = 0;
        }
        self.matches += keys.len();
        let remembered = Remembered {
            generation: self.generation,
            keys,
        };
        if let Some(old) = self.topics.insert(topic.clone(), remembered) {
            self.matches -= old.keys.len();
        }
    }
}

#[cfg(test)]
impl Memo {
    pub(super) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    pub(super) fn check_bounds(&self) {
        let matches = self.topics.values().map(|remembered| remembered.keys.len());
        assert_eq!(self.matches, matches.sum::<usize>());
        assert!(self.topics.len() <= MAX_TOPICS && self.matches <= MAX_MATCHES);
    }
}
