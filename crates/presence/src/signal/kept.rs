//! Which signals this node keeps.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::Instant;

/// Maximum number of signals that this node keeps. History keeps 10,000 values in all, and clients that only connect
/// must not use up the space for other signals and for revocations.
const MAX_SIGNALS: usize = 2_500;
/// Beyond so many, those at zero are removed.
const MAX_WITH_ZEROS: usize = 2_000;
/// How often all are looked at again while there is no space.
const REVIEW_INTERVAL: Duration = Duration::from_secs(60);

/// The topics whose signals this node has created, or has set to zero.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Since when the counts are zero; `None` while somebody is there.
    topics: HashMap<Arc<str>, Option<Instant>>,
    reviewed: Option<Instant>,
}

impl Kept {
    /// Whether a further signal may be created.
    pub(super) fn has_space(&self) -> bool {
        self.topics.len() < MAX_SIGNALS
    }

    /// Somebody is on the topic. A signal that another node has created is left to that node.
    pub(super) fn is_in_use(&mut self, topic: &Arc<str>, is_created: bool) {
        if is_created {
            self.topics.insert(Arc::clone(topic), None);
        } else if let Some(since) = self.topics.get_mut(topic) {
            *since = None;
        }
    }

    /// Nobody is on the topic.
    pub(super) fn is_at_zero(&mut self, topic: &Arc<str>) {
        let since = self.topics.entry(Arc::clone(topic)).or_default();
        since.get_or_insert_with(Instant::now);
    }

    /// The topic has no signal any more.
    pub(super) fn forget(&mut self, topic: &str) {
        self.topics.remove(topic);
    }

    /// The topics with somebody, once in [`REVIEW_INTERVAL`].
    pub(super) fn due_for_review(&mut self, now: Instant) -> Vec<Arc<str>> {
        let is_due = |at: Instant| now >= at + REVIEW_INTERVAL;
        if !self.reviewed.is_none_or(is_due) {
            return Vec::new();
        }
        self.reviewed = Some(now);
        let in_use = self.topics.iter().filter(|(_, since)| since.is_none());
        in_use.map(|(topic, _)| Arc::clone(topic)).collect()
    }

    /// A signal to remove: the one that has been at zero for longest, if there are many.
    pub(super) fn take_surplus(&mut self) -> Option<Arc<str>> {
        if self.topics.len() <= MAX_WITH_ZEROS {
            return None;
        }
        let at_zero = self.topics.iter();
        let at_zero = at_zero.filter_map(|(topic, since)| Some(((*since)?, topic)));
        let (_, longest) = at_zero.min_by_key(|(since, _)| *since)?;
        let longest = Arc::clone(longest);
        self.topics.remove(&longest);
        Some(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_at_zero_make_room_for_others_the_longest_first() {
        let mut kept = Kept::default();
        let topic = |n: usize| Arc::<str>::from(n.to_string());
        for n in 0..MAX_WITH_ZEROS {
            kept.is_in_use(&topic(n), true);
        }
        for n in [7, 8, 9] {
            kept.is_at_zero(&topic(n));
        }
        kept.is_in_use(&topic(8), false);
        assert_eq!(kept.take_surplus(), None);
        for n in 0..4 {
            kept.is_in_use(&topic(MAX_WITH_ZEROS + n), true);
        }
        assert_eq!(kept.take_surplus(), Some(topic(7)));
        assert_eq!(kept.take_surplus(), Some(topic(9)));
        assert_eq!(kept.take_surplus(), None);
    }

    #[test]
    fn signals_in_use_have_a_bound_and_those_of_other_nodes_do_not_count() {
        let mut kept = Kept::default();
        for n in 0..MAX_SIGNALS {
            let topic = Arc::from(n.to_string());
            kept.is_in_use(&topic, false);
            assert!(kept.has_space());
        }
        for n in 0..MAX_SIGNALS {
            assert!(kept.has_space());
            kept.is_in_use(&Arc::from(n.to_string()), true);
        }
        assert!(!kept.has_space());
        let now = Instant::now();
        assert_eq!(kept.due_for_review(now).len(), MAX_SIGNALS);
        assert!(kept.due_for_review(now).is_empty());
        kept.forget("7");
        assert!(kept.has_space());
        let later = kept.due_for_review(now + REVIEW_INTERVAL);
        assert_eq!(later.len(), MAX_SIGNALS - 1);
    }
}
