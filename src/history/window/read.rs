//! Reads of the window from a position, an id, a time, or the last so many events.

use std::{sync::Arc, time::SystemTime};

use super::log::Log;
use crate::{
    clock::unix_ms,
    event::{EventId, SelectedTopics, Selector, Stored, Topic},
    history::{Chunk, Found, From, Limit},
};

/// Most events that one read checks, divided by the number of rules, so that no read holds the lock for long.
const MAX_CHECKED: usize = 4_096;

/// The indexes of events that a read is to check.
struct Candidates {
    indexes: Vec<usize>,
    /// No event after them has to be checked.
    complete: bool,
}

impl Log {
    pub(super) fn read(&self, from: From<'_>, selector: &Selector, limit: Limit) -> Chunk {
        let (start, mut chunk) = self.read_whole(from, selector, limit);
        chunk.erased = self.newest_erased(start, chunk.read_to, selector);
        chunk
    }

    /// Also returns the index where it begins.
    fn read_whole(&self, from: From<'_>, selector: &Selector, limit: Limit) -> (usize, Chunk) {
        let (start, gap) = self.locate(from, selector);
        let candidates = self.candidates(start, selector, limit);
        let after = match from {
            // A position that was skipped has no event of its own, and is still where the reader is.
            From::After(id) if !gap => id,
            _ => self.id_before(start),
        };
        let mut chunk = Chunk {
            epoch: self.head().epoch,
            after,
            gap,
            erased: None,
            events: Vec::new(),
            read_to: self.head().id.max(after),
            oldest: self.events.front().map(|stored| stored.id()),
        };
        let mut bytes = 0;
        for index in &candidates.indexes {
            let stored = &self.events[*index];
            if stored.event().is_erased() || !selector.admits(stored.event()) {
                continue;
            }
            bytes += stored.event().cost();
            let full = chunk.events.len() >= limit.events || bytes > limit.bytes;
            if full && !chunk.events.is_empty() {
                chunk.read_to = self.id_before(*index);
                return (start, chunk);
            }
            chunk.events.push(Found::Shared(Arc::clone(stored)));
        }
        if let (false, Some(last)) = (candidates.complete, candidates.indexes.last()) {
            chunk.read_to = self.events[*last].id();
        }
        (start, chunk)
    }

    /// Whether [`read`](Self::read) finds all that the log has.
    pub(super) fn holds(&self, from: From<'_>, selector: &Selector) -> bool {
        match from {
            From::After(id) => id >= self.floor().id,
            From::LastEventId(_) => !self.locate(from, selector).1,
            From::Since(time) => self
                .trimmed_ms
                .is_some_and(|trimmed| trimmed < unix_ms(time)),
            // The log's clock may be another.
            From::Ago(_) | From::Earliest => false,
            From::Last(count) => self.find_last(count, selector).is_some(),
        }
    }

    /// The index at which a read begins, and whether something before it is lost.
    fn locate(&self, from: From<'_>, selector: &Selector) -> (usize, bool) {
        match from {
            From::After(id) => (self.index_after(id), id < self.floor().id),
            From::LastEventId(text) => match text.parse() {
                Ok(id) => {
                    let index = self.index_after(id);
                    let known = self.id_before(index) == id;
                    if known { (index, false) } else { (0, true) }
                }
                Err(_) => (0, true),
            },
            From::Since(time) => {
                let ms = unix_ms(time);
                let index = self.index_at(ms);
                (index, self.trimmed_ms.is_some_and(|trimmed| trimmed >= ms))
            }
            From::Ago(_) => self.locate(from.by_clock(SystemTime::now()), selector),
            From::Earliest => (0, false),
            From::Last(count) => (self.find_last(count, selector).unwrap_or(0), false),
        }
    }

    pub(super) fn find(&self, id: EventId) -> Option<Arc<Stored>> {
        let newest = self.events.back().filter(|stored| stored.id() == id);
        let found = || {
            let index = self.index_after(id).checked_sub(1)?;
            self.events.get(index).filter(|stored| stored.id() == id)
        };
        newest.or_else(found).map(Arc::clone)
    }

    /// The position at which the last of the selected topics was finished. `None` unless all are topics of which the
    /// window has the newest event, and that finishes them.
    pub(super) fn finished_at(&self, selector: &Selector) -> Option<EventId> {
        let SelectedTopics::Topics(topics) = selector.selected() else {
            return None;
        };
        let finished_at = |topic| {
            let stored = self.events.get(self.index(self.topics.newest(topic)?))?;
            let event = stored.event();
            (event.finishes() && selector.admits(event)).then(|| stored.id())
        };
        topics
            .iter()
            .map(finished_at)
            .try_fold(EventId::new(0, 0), |last, at| Some(last.max(at?)))
    }

    pub(super) fn count_after(&self, id: EventId) -> u64 {
        (self.events.len() - self.index_after(id)) as u64
    }

    pub(super) fn index_after(&self, id: EventId) -> usize {
        self.events.partition_point(|stored| stored.id() <= id)
    }

    /// The first event that was appended at or after this time.
    fn index_at(&self, ms: u64) -> usize {
        let (mut low, mut high) = (0, self.events.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.time_ms(middle) < ms {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The last but so many of the events that the selector admits; `None` where the window holds fewer.
    fn find_last(&self, count: usize, selector: &Selector) -> Option<usize> {
        let is_admitted = |index: usize| {
            let event = self.events[index].event();
            !event.is_erased() && selector.admits(event)
        };
        let Some(nth) = count.checked_sub(1) else {
            return Some(self.events.len());
        };
        match selector.selected() {
            SelectedTopics::All | SelectedTopics::Every => (0..self.events.len())
                .rev()
                .filter(|index| is_admitted(*index))
                .nth(nth),
            SelectedTopics::Topics(topics) => self.find_last_of(topics, count, is_admitted),
            SelectedTopics::Matching(matching) => {
                let selected = |topic: &&Topic| matching.selects(topic.as_str());
                let topics: Vec<_> = self.topics.topics().filter(selected).cloned().collect();
                self.find_last_of(&topics, count, is_admitted)
            }
        }
    }

    fn find_last_of(
        &self,
        topics: &[Topic],
        count: usize,
        is_admitted: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let is_admitted = |number| is_admitted(self.index(number));
        let number = self.topics.nth_newest(topics, count, is_admitted)?;
        Some(self.index(number))
    }

    fn candidates(&self, start: usize, selector: &Selector, limit: Limit) -> Candidates {
        match selector.selected() {
            SelectedTopics::All | SelectedTopics::Every => self.of_any_topic(start, MAX_CHECKED),
            SelectedTopics::Matching(matching) => {
                self.of_any_topic(start, (MAX_CHECKED / matching.rules()).max(1))
            }
            // One more, to stop right before it: events of other topics that are dropped in between are no loss
            // then.
            SelectedTopics::Topics(topics) => {
                self.of_topics(topics, start, limit.events.max(1).saturating_add(1))
            }
        }
    }

    fn of_any_topic(&self, start: usize, max: usize) -> Candidates {
        let end = self.events.len().min(start.saturating_add(max));
        Candidates {
            indexes: (start..end).collect(),
            complete: end == self.events.len(),
        }
    }

    fn of_topics(&self, topics: &[Topic], start: usize, max: usize) -> Candidates {
        let first = self.number(start);
        let (numbers, complete_to) = self.topics.numbers_from(topics, first, max);
        let indexes = numbers.into_iter().map(|number| self.index(number));
        Candidates {
            indexes: indexes.collect(),
            complete: complete_to.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::from_unix_ms,
        history::{
            Retention,
            window::fixtures::{ALL, id, log, push, push_finish},
        },
    };

    fn topics(topics: &[&str]) -> Selector {
        Selector::topics(topics).unwrap()
    }

    fn ids(chunk: &Chunk) -> Vec<u64> {
        chunk.events.iter().map(|found| found.id().ms()).collect()
    }

    #[test]
    fn a_read_gives_each_matching_event_once_in_order() {
        let mut log = log();
        push(&mut log, 1, &["a"]);
        push(&mut log, 2, &["a", "b"]);
        push(&mut log, 3, &["c"]);
        push(&mut log, 4, &["b"]);
        let chunk = log.read(From::Earliest, &topics(&["b", "a"]), ALL);
        assert_eq!(ids(&chunk), [1, 2, 4]);
        assert_eq!(chunk.read_to, id(4));
        let last = |count, selector| ids(&log.read(From::Last(count), &selector, ALL));
        assert_eq!(last(2, topics(&["a", "b"])), [2, 4]);
        assert_eq!(last(9, Selector::all()), [1, 2, 3, 4]);
        assert_eq!(last(0, Selector::all()), [0; 0]);
    }

    #[test]
    fn a_read_that_finds_nothing_says_how_far_it_has_read() {
        let mut log = log();
        push(&mut log, 1, &["a"]);
        push(&mut log, 2, &["a"]);
        let chunk = log.read(From::After(id(1)), &topics(&["b"]), ALL);
        assert!(chunk.events.is_empty() && !chunk.gap);
        assert_eq!(chunk.read_to, id(2));
    }

    #[test]
    fn topics_are_finished_while_the_newest_event_of_each_finishes_it() {
        let mut log = log();
        push(&mut log, 1, &["a"]);
        assert_eq!(log.finished_at(&topics(&["a"])), None);
        push_finish(&mut log, 2, &["a"]);
        assert_eq!(log.finished_at(&topics(&["a"])), Some(id(2)));
        assert_eq!(log.finished_at(&topics(&["a", "b"])), None);
        push_finish(&mut log, 3, &["b"]);
        assert_eq!(log.finished_at(&topics(&["a", "b"])), Some(id(3)));
        assert_eq!(log.finished_at(&Selector::all()), None);
        push(&mut log, 4, &["a"]);
        assert_eq!(log.finished_at(&topics(&["a", "b"])), None);
        assert_eq!(log.finished_at(&topics(&["b"])), Some(id(3)));
    }

    #[test]
    fn reading_in_small_chunks_gives_the_same_as_reading_at_once() {
        let mut log = log();
        for number in 1..=300 {
            push(&mut log, number, &[["a", "b", "c"][(number % 3) as usize]]);
        }
        for selector in [topics(&["a", "c"]), topics(&["b"]), Selector::all()] {
            let whole = log.read(From::Earliest, &selector, ALL);
            let (mut pieces, mut at) = (Vec::new(), From::Earliest);
            loop {
                let chunk = log.read(at, &selector, ALL.events(7));
                pieces.extend(ids(&chunk));
                at = From::After(chunk.read_to);
                if chunk.read_to == id(300) {
                    break;
                }
            }
            assert_eq!(pieces, ids(&whole));
        }
    }

    #[test]
    fn what_retention_dropped_is_a_gap_and_the_trim_floor_is_not() {
        let mut log = log();
        for number in 1..=4 {
            push(&mut log, number, &["a"]);
        }
        log.trim(Retention::new().events(2), 4);
        let read = |from| log.read(from, &topics(&["a"]), ALL);
        let lost = read(From::LastEventId("1-1"));
        assert!(lost.gap);
        assert_eq!((lost.after, ids(&lost)), (id(2), vec![3, 4]));
        assert!(!read(From::LastEventId("2-1")).gap);
        assert!(!read(From::LastEventId("4-1")).gap);
        assert!(read(From::LastEventId("3-2")).gap);
        assert!(read(From::LastEventId("5-1")).gap);
        assert!(read(From::LastEventId("garbage")).gap);
        assert!(read(From::After(id(1))).gap);
        assert!(read(From::Since(from_unix_ms(2))).gap);
        assert!(!read(From::Since(from_unix_ms(3))).gap);
        assert!(!read(From::Earliest).gap);
    }
}
