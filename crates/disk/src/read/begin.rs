//! Where a read begins.

use std::{collections::BinaryHeap, time::SystemTime};

use super::Reading;
use crate::{
    engine::{Fault, Record},
    record::{Listed, Own},
};
use sse_broadcaster::{
    event::{EventId, SelectedTopics, Topic},
    history::From,
    internal::unix_ms,
};

impl Reading<'_> {
    /// After which position to begin, and whether something before it is lost.
    pub(super) fn locate(&self, from: From<'_>) -> Result<(EventId, bool), Fault> {
        let floor = self.standing.floor;
        Ok(match from {
            From::After(id) if id >= floor => (id, false),
            From::After(_) => (floor, true),
            From::LastEventId(text) => self.known(text)?.map_or((floor, true), |id| (id, false)),
            From::Since(time) => {
                let ms = unix_ms(time);
                let gap = self.standing.has_dropped() && self.standing.floor_ms >= ms;
                (self.before_time(ms)?, gap)
            }
            From::Ago(_) => return self.locate(from.by_clock(SystemTime::now())),
            From::Earliest => (floor, false),
            From::Last(count) => (self.before_last(count)?, false),
        })
    }

    fn known(&self, text: &str) -> Result<Option<EventId>, Fault> {
        if let Ok(id) = text.parse() {
            let floor = self.standing.floor;
            let known =
                id == floor || self.known.lost.hold(id) || (id > floor && self.view.holds(id)?);
            return Ok(known.then_some(id));
        }
        let own = self.view.own(text)?.map(|own| own.as_of(&self.standing));
        Ok(match own {
            Some(Own::Held { id, once: true }) => Some(id),
            _ => None,
        })
    }

    /// The position before the first event that has this id or a later one.
    fn before(&self, id: EventId) -> Result<EventId, Fault> {
        let floor = self.standing.floor;
        let end = id.before().min(self.end);
        Ok(match self.view.events_back(floor, end)?.next() {
            Some(found) => found?.id,
            None => floor,
        })
    }

    /// The position before the first event that was taken at or after this time.
    fn before_time(&self, ms: u64) -> Result<EventId, Fault> {
        // An id has the milliseconds of its event, or later ones.
        let begin = self.before(EventId::new(ms, 0))?;
        let (mut early, mut end) = (begin, self.end);
        while let Some((id, is_early)) = self.is_early(early, end, ms)? {
            if !is_early {
                break;
            }
            early = id;
            // The clock has been ahead: by halves, since times do not decrease with ids.
            let middle = EventId::between(early, end);
            match self.is_early(middle, end, ms)? {
                Some((id, true)) => early = id,
                _ => end = middle,
            }
        }
        Ok(early)
    }

    /// The first event behind a position, and whether it was taken before this time.
    fn is_early(
        &self,
        after: EventId,
        to: EventId,
        ms: u64,
    ) -> Result<Option<(EventId, bool)>, Fault> {
        let Some(found) = self.view.events(after, to).next() else {
            return Ok(None);
        };
        let record = found?;
        let kept = record.decode()?;
        let time_ms = self.known.steps.time(kept.number, kept.time_ms);
        Ok(Some((record.id, time_ms < ms)))
    }

    fn before_last(&self, count: usize) -> Result<EventId, Fault> {
        let floor = self.standing.floor;
        let Some(nth) = count.checked_sub(1) else {
            return Ok(self.end);
        };
        let first = match self.selector.selected() {
            SelectedTopics::Topics(topics) => self.nth_last_of(topics, nth)?,
            _ => self.nth_last(nth)?,
        };
        first.map_or(Ok(floor), |first| self.before(first))
    }

    fn nth_last(&self, nth: usize) -> Result<Option<EventId>, Fault> {
        if nth as u64 >= self.standing.events() {
            return Ok(None);
        }
        let mut left = nth;
        for found in self.view.events_back(self.standing.floor, self.end)? {
            let record = found?;
            if !self.counts(&record)? {
                continue;
            }
            if left == 0 {
                return Ok(Some(record.id));
            }
            left -= 1;
        }
        Ok(None)
    }

    /// Whether an event is one of the last so many.
    fn counts(&self, record: &Record) -> Result<bool, Fault> {
        let fields = record.decode()?.fields;
        Ok(!fields.is_erased() && self.selector.admits_fields(&fields))
    }

    fn nth_last_of(&self, topics: &[Topic], nth: usize) -> Result<Option<EventId>, Fault> {
        let mut ids = topics
            .iter()
            .map(|topic| {
                let floor = self.standing.floor;
                self.view.of_topic(Listed::Whole, topic, floor, self.end)
            })
            .collect::<Vec<_>>();
        let mut latest = BinaryHeap::new();
        for (index, ids) in ids.iter_mut().enumerate() {
            latest.extend(ids.next_back().transpose()?.map(|id| (id, index)));
        }
        let (mut left, mut last) = (nth, None);
        while let Some((id, index)) = latest.pop() {
            let next = ids[index].next_back().transpose()?;
            latest.extend(next.map(|id| (id, index)));
            if last.replace(id) == Some(id) {
                continue;
            }
            let record = self.view.event(id)?;
            if !self.counts(&record)? {
                continue;
            }
            if left == 0 {
                return Ok(Some(id));
            }
            left -= 1;
        }
        Ok(None)
    }
}
