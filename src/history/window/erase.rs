//! Erases events: what is left of one keeps its place, without its text.

use std::sync::Arc;

use super::log::Log;
use crate::{
    event::{Event, EventId, NEW_TOPIC_BYTES, SelectedTopics, Selector, Stored},
    history::{Erased, Erasure, MAX_ERASED_AT_ONCE},
};

impl Log {
    /// The event of the next step of an erasure, and what that erases; `None` where there is nothing to erase.
    pub(super) fn next_erasure(&self, erasure: &Erasure) -> Option<(Event, Erased)> {
        let mut numbers = self.erasable(erasure);
        let (mut events, mut last) = (0, None);
        for number in numbers.by_ref().take(MAX_ERASED_AT_ONCE) {
            events += 1;
            last = Some(number);
        }
        let last = self.events[self.index(last?)].id();
        let more = numbers.next().is_some();
        Some((erasure.event(last), Erased { events, more }))
    }

    /// Erases events, and returns them as they were.
    pub(super) fn erase(&mut self, erasure: &Erasure) -> Vec<Arc<Stored>> {
        let numbers: Vec<_> = self.erasable(erasure).collect();
        let erased = numbers.into_iter().map(|number| self.erase_event(number));
        erased.collect()
    }

    /// The numbers of the events that an erasure erases, in order.
    fn erasable<'a>(&'a self, erasure: &'a Erasure) -> impl Iterator<Item = u64> + use<'a> {
        let end = erasure
            .up_to
            .map_or(self.events.len(), |id| self.index_after(id));
        let numbers = self.topics.before(&erasure.topic, self.number(end));
        numbers.filter(|number| erasure.includes(self.events[self.index(*number)].event()))
    }

    fn erase_event(&mut self, number: u64) -> Arc<Stored> {
        let index = self.index(number);
        let whole = Arc::clone(&self.events[index]);
        let left = whole.erased();
        for topic in whole.event().topics() {
            if self.topics.remove(topic, number) {
                self.held_bytes -= NEW_TOPIC_BYTES;
            }
            if self.erased_topics.insert(topic, number) {
                self.held_bytes += NEW_TOPIC_BYTES;
            }
        }
        self.aliases.pop(&whole);
        self.uncount(&whole);
        self.count(&left);
        left.keep_encodings(&self.encodings);
        self.events[index] = Arc::new(left);
        self.erased += 1;
        whole
    }

    /// The newest erased event that the selector admits, from this index on and up to this id.
    pub(super) fn newest_erased(
        &self,
        start: usize,
        to: EventId,
        selector: &Selector,
    ) -> Option<EventId> {
        if self.erased == 0 {
            return None;
        }
        let end = self.index_after(to);
        let admitted = |index: usize| {
            let stored = &self.events[index];
            let is_admitted = stored.event().is_erased() && selector.admits(stored.event());
            is_admitted.then(|| stored.id())
        };
        let SelectedTopics::Topics(topics) = selector.selected() else {
            return (start..end).rev().find_map(admitted);
        };
        let (from, to) = (self.number(start), self.number(end));
        let newest = topics.iter().filter_map(|topic| {
            let mut numbers = self.erased_topics.newest_between(topic, from, to);
            numbers.find_map(|number| admitted(self.index(number)))
        });
        newest.max()
    }
}
