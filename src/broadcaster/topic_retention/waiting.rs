//! The topics that are to be looked at.

use std::collections::{HashSet, VecDeque};

use super::limits::Totals;
use crate::{
    event::Topic,
    history::{LogPosition, TopicRules, Window},
};

/// Most topics that wait. Past it all topics are looked at, page by page.
const MAX_WAITING: usize = 50_000;
/// Most events that are passed over in one hold of the window's lock.
const EVENTS_AT_ONCE: usize = 1_024;

/// Topics with new events, in the order in which these came.
pub(super) struct Waiting {
    position: LogPosition,
    order: VecDeque<Topic>,
    all: HashSet<Topic>,
}

impl Waiting {
    pub(super) fn new(position: LogPosition) -> Self {
        Self {
            position,
            order: VecDeque::new(),
            all: HashSet::new(),
        }
    }

    /// Up to where the window was looked at.
    pub(super) fn position(&self) -> LogPosition {
        self.position
    }

    /// Adds the topics of what has come into the window. True if some may be missing.
    pub(super) fn see(&mut self, window: &Window, rules: &TopicRules, totals: &mut Totals) -> bool {
        let mut is_incomplete = false;
        loop {
            let newer = window.newer(self.position, EVENTS_AT_ONCE);
            is_incomplete |= newer.lost;
            self.position = newer.to;
            let events = newer.events.iter();
            for stored in events.filter(|stored| !stored.event().is_erased()) {
                totals.add(stored.event());
                for topic in stored.event().topics() {
                    if rules.limit(topic.as_str()).is_some() {
                        is_incomplete |= !self.add(topic);
                    }
                }
            }
            if newer.events.len() < EVENTS_AT_ONCE {
                return is_incomplete;
            }
        }
    }

    /// False if there are too many.
    pub(super) fn add(&mut self, topic: &Topic) -> bool {
        if self.all.contains(topic) {
            return true;
        }
        if self.all.len() >= MAX_WAITING {
            return false;
        }
        self.all.insert(topic.clone());
        self.order.push_back(topic.clone());
        true
    }

    /// Adds the first one behind all others.
    pub(super) fn add_again(&mut self, topic: &Topic) {
        self.order.push_back(topic.clone());
    }

    pub(super) fn first(&self) -> Option<&Topic> {
        self.order.front()
    }

    pub(super) fn remove_first(&mut self) {
        if let Some(topic) = self.order.pop_front()
            && self.order.back() != Some(&topic)
        {
            self.all.remove(&topic);
        }
    }
}
