//! The events that a window holds: pushed at the head, dropped at the trim floor.

use std::{collections::VecDeque, sync::Arc};

use super::{aliases::AliasIndex, topics::TopicIndex};
use crate::{
    event::{Encodings, EventId, NEW_TOPIC_BYTES, Selector, Stored},
    history::{
        Bounds, LogPosition, NameKind, NameRange, Names, Retention,
        times::{Step, Steps},
    },
};

/// The events after `floor` up to `head`, whose numbers follow one another.
///
/// An event has a *number*, which it keeps, and an *index* among those that are held now.
pub(super) struct Log {
    pub(super) events: VecDeque<Arc<Stored>>,
    pub(super) topics: TopicIndex,
    /// Of the events that were erased, which are not in `topics`.
    pub(super) erased_topics: TopicIndex,
    /// How many of the events were erased.
    pub(super) erased: usize,
    pub(super) aliases: AliasIndex,
    /// The position before the first of `events`.
    floor: LogPosition,
    /// The position after the last of `events`.
    head: LogPosition,
    /// When the newest event that retention dropped was appended, in milliseconds since the Unix epoch.
    pub(super) trimmed_ms: Option<u64>,
    /// What the clock showed last.
    clock_ms: u64,
    steps: Steps,
    /// Bytes of memory that the events take.
    pub(super) held_bytes: usize,
    /// Bytes of these that are reserved for encodings.
    reserved_bytes: usize,
    pub(super) encodings: Arc<Encodings>,
}

impl Log {
    pub(super) fn new(epoch: u64, head: EventId) -> Self {
        let start = LogPosition::start(epoch, head);
        Self {
            events: VecDeque::new(),
            topics: TopicIndex::default(),
            erased_topics: TopicIndex::default(),
            erased: 0,
            aliases: AliasIndex::default(),
            floor: start,
            head: start,
            trimmed_ms: None,
            clock_ms: 0,
            steps: Steps::default(),
            held_bytes: 0,
            reserved_bytes: 0,
            encodings: Arc::default(),
        }
    }

    pub(super) fn head(&self) -> LogPosition {
        self.head
    }

    pub(super) fn floor(&self) -> LogPosition {
        self.floor
    }

    pub(super) fn bounds(&self) -> Bounds {
        Bounds {
            epoch: self.head.epoch,
            trim_floor: self.floor.id,
            oldest: self.events.front().map(|stored| stored.id()),
            head: self.head.id,
            events: self.events.len() - self.erased,
            bytes: self.held_bytes,
        }
    }

    /// One page of the topics of the events, each with the id of its newest.
    pub(super) fn topic_names(&self, range: NameRange<'_>) -> Names {
        let (topics, more) = range.first(NameKind::Topics, self.topics.topics());
        let found = topics.into_iter().filter_map(|topic| {
            let newest = self.events.get(self.index(self.topics.newest(topic)?))?;
            Some((topic.as_str().to_owned(), newest.id()))
        });
        Names {
            found: found.collect(),
            more,
        }
    }

    /// The oldest event with this alias that the selector may read.
    pub(super) fn oldest_with(&self, alias: &str, selector: &Selector) -> Option<Arc<Stored>> {
        let of_alias = self.aliases.of(alias).iter();
        let mut held = of_alias.filter_map(|id| self.find(*id));
        held.find(|stored| selector.may_read(stored.event()))
    }

    /// The index of the event with this number, which is not before the floor.
    pub(super) fn index(&self, number: u64) -> usize {
        usize::try_from(number - self.floor.number).unwrap_or(usize::MAX)
    }

    pub(super) fn number(&self, index: usize) -> u64 {
        self.floor.number + index as u64
    }

    /// The id of the event before this index.
    pub(super) fn id_before(&self, index: usize) -> EventId {
        match index.checked_sub(1) {
            Some(before) => self.events[before].id(),
            None => self.floor.id,
        }
    }

    /// When the event at this index was appended; it never decreases with the index.
    pub(super) fn time_ms(&self, index: usize) -> u64 {
        let own = self.events[index].time_ms();
        self.steps.time(self.number(index), own)
    }

    pub(super) fn push(&mut self, stored: Arc<Stored>) {
        debug_assert!(stored.id() > self.head.id, "ids increase");
        self.see_clock(stored.time_ms());
        let topics = if stored.event().is_erased() {
            self.erased += 1;
            &mut self.erased_topics
        } else {
            &mut self.topics
        };
        for topic in stored.event().topics() {
            if topics.push(topic, self.head.number) {
                self.held_bytes += NEW_TOPIC_BYTES;
            }
        }
        self.aliases.push(&stored);
        self.count(&stored);
        stored.keep_encodings(&self.encodings);
        self.head.pass(&stored);
        self.events.push_back(stored);
    }

    pub(super) fn count(&mut self, stored: &Stored) {
        self.held_bytes += stored.event().memory();
        self.reserved_bytes += stored.event().encoded_bytes();
    }

    pub(super) fn uncount(&mut self, stored: &Stored) {
        self.held_bytes -= stored.event().memory();
        self.reserved_bytes -= stored.event().encoded_bytes();
    }

    /// The clock shows this time, after all events that are held.
    fn see_clock(&mut self, ms: u64) {
        if ms < self.clock_ms && !self.events.is_empty() {
            let number = self.head.number - 1;
            self.steps.push(Step { number, ms });
        }
        self.clock_ms = ms;
    }

    /// Whether events may have to be dropped for their age, or the clock went back.
    pub(super) fn is_due(&self, retention: Retention, now_ms: u64) -> bool {
        now_ms < self.clock_ms || self.has_expired(retention, now_ms)
    }

    fn has_expired(&self, retention: Retention, now_ms: u64) -> bool {
        let Some(age) = retention.age.filter(|_| !self.events.is_empty()) else {
            return false;
        };
        u128::from(now_ms.saturating_sub(self.time_ms(0))) > age.as_millis()
    }

    /// Drops the oldest events until retention is met, and returns them.
    pub(super) fn trim(&mut self, retention: Retention, now_ms: u64) -> Vec<Arc<Stored>> {
        let mut dropped = Vec::new();
        if retention.age.is_some() {
            self.see_clock(now_ms);
        }
        while self.events.len() - self.erased > retention.events
            || self.held_bytes > retention.bytes
            || self.has_expired(retention, now_ms)
        {
            let Some(stored) = self.drop_oldest() else {
                break;
            };
            dropped.push(stored);
        }
        self.encodings.set_max(self.reserved_bytes);
        dropped
    }

    /// Drops the events up to this id, and returns them.
    pub(super) fn trim_to(&mut self, floor: EventId) -> Vec<Arc<Stored>> {
        let mut dropped = Vec::new();
        while self
            .events
            .front()
            .is_some_and(|oldest| oldest.id() <= floor)
        {
            dropped.extend(self.drop_oldest());
        }
        dropped
    }

    fn drop_oldest(&mut self) -> Option<Arc<Stored>> {
        let time_ms = self.events.front().map(|_| self.time_ms(0));
        let stored = self.events.pop_front()?;
        let topics = if stored.event().is_erased() {
            self.erased -= 1;
            &mut self.erased_topics
        } else {
            &mut self.topics
        };
        for topic in stored.event().topics() {
            if topics.pop(topic) {
                self.held_bytes -= NEW_TOPIC_BYTES;
            }
        }
        self.aliases.pop(&stored);
        self.uncount(&stored);
        self.steps.drop_to(self.floor.number);
        self.floor.pass(&stored);
        self.trimmed_ms = time_ms;
        Some(stored)
    }

    /// Holds nothing, as another log. Numbers go on, since the lag of shards is counted by them.
    pub(super) fn restart(&mut self, epoch: u64, head: EventId) {
        self.clear();
        self.head.epoch = epoch;
        self.head.id = head;
        self.floor = self.head;
    }

    /// Holds nothing, and goes on after `to`. The number that is left out puts all positions so far before
    /// the trim floor.
    pub(super) fn skip_to(&mut self, to: EventId) {
        self.clear();
        self.head.number += 1;
        self.head.id = to;
        self.floor = self.head;
    }

    fn clear(&mut self) {
        self.events.clear();
        self.topics.clear();
        self.erased_topics.clear();
        self.erased = 0;
        self.aliases.clear();
        self.trimmed_ms = None;
        self.clock_ms = 0;
        self.steps.clear();
        (self.held_bytes, self.reserved_bytes) = (0, 0);
        self.encodings.set_max(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::window::fixtures::push;

    #[test]
    fn bytes_bound_the_window_too() {
        let retention = Retention::new().bytes(1_000);
        let mut log = Log::new(1, EventId::new(0, 0));
        for number in 1..=50 {
            push(&mut log, number, &["a"]);
            log.trim(retention, number);
        }
        let bounds = log.bounds();
        assert!(bounds.bytes <= 1_000 && bounds.events > 0, "{bounds:?}");
    }
}
