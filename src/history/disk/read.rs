//! Reads of what is older than the window: each a seek, and then what it yields.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{
    record::{Decoder, Own, Standing},
    store::{Fault, Store},
    view::View,
};
use crate::{
    event::{Asked, EventId, Selector, Topic},
    history::{Chunk, Found, From, Limit},
};

/// Most events that one read looks at, so that none takes long.
const MAX_LOOKED_AT: usize = 4_096;
/// Most events that are counted backwards.
const MAX_LAST: usize = 1_000_000;

/// Reads as [`History::read`](crate::history::History::read) does, no further than to `end`.
pub(super) fn read(
    store: &Store,
    from: From<'_>,
    selector: &Selector,
    limit: Limit,
    end: EventId,
    oldest: Option<EventId>,
) -> Result<Chunk, Fault> {
    let view = store.view();
    let reading = Reading {
        standing: view.standing()?,
        view,
        selector,
        end,
    };
    let (after, gap) = reading.locate(from)?;
    let mut chunk = Chunk {
        epoch: reading.standing.epoch,
        after,
        gap,
        events: Vec::new(),
        read_to: end.max(after),
        oldest,
    };
    match selector.asked() {
        Asked::All => reading.all(&mut chunk, limit)?,
        Asked::Topics(topics) => reading.of_topics(topics, &mut chunk, limit)?,
    }
    Ok(chunk)
}

struct Reading<'a> {
    view: View<'a>,
    standing: Standing,
    selector: &'a Selector,
    end: EventId,
}

impl Reading<'_> {
    /// After which position to begin, and whether something before it is lost.
    fn locate(&self, from: From<'_>) -> Result<(EventId, bool), Fault> {
        let floor = self.standing.floor;
        Ok(match from {
            From::After(id) if id >= floor => (id, false),
            From::After(_) => (floor, true),
            From::Brought(text) => self.known(text)?.map_or((floor, true), |id| (id, false)),
            From::Since(ms) => {
                // An event's time on disk is that of its id.
                let first = EventId::new(ms, 0);
                let gap = self.standing.has_dropped() && floor >= first;
                (self.before(first)?, gap)
            }
            From::Earliest => (floor, false),
            From::Last(count) => (self.before_last(count.min(MAX_LAST))?, false),
        })
    }

    fn known(&self, text: &str) -> Result<Option<EventId>, Fault> {
        if let Ok(id) = text.parse() {
            let known = id == self.standing.floor || self.view.holds(id)?;
            return Ok(known.then_some(id));
        }
        Ok(match self.view.own(text)? {
            Some(Own::Held { id, once: true }) => Some(id),
            _ => None,
        })
    }

    /// The position before the first event that has this id or a later one.
    fn before(&self, id: EventId) -> Result<EventId, Fault> {
        let floor = self.standing.floor;
        let mut earlier = self.view.events(floor, id.before().min(self.end));
        Ok(match earlier.next_back() {
            Some(found) => found?.1.id(),
            None => floor,
        })
    }

    fn before_last(&self, count: usize) -> Result<EventId, Fault> {
        let floor = self.standing.floor;
        let Some(nth) = count.checked_sub(1) else {
            return Ok(self.end);
        };
        let first = match self.selector.asked() {
            Asked::All => self.nth_last(nth)?,
            Asked::Topics(topics) => self.nth_last_of(topics, nth)?,
        };
        first.map_or(Ok(floor), |first| self.before(first))
    }

    fn nth_last(&self, nth: usize) -> Result<Option<EventId>, Fault> {
        if nth as u64 >= self.standing.events() {
            return Ok(None);
        }
        let mut left = nth;
        for found in self.view.events(self.standing.floor, self.end).rev() {
            let (_, stored) = found?;
            if !self.selector.admits(stored.event()) {
                continue;
            }
            if left == 0 {
                return Ok(Some(stored.id()));
            }
            left -= 1;
        }
        Ok(None)
    }

    fn nth_last_of(&self, topics: &[Topic], nth: usize) -> Result<Option<EventId>, Fault> {
        let mut decoder = Decoder::default();
        let mut ids = topics
            .iter()
            .map(|topic| self.view.of_topic(topic, self.standing.floor, self.end))
            .collect::<Vec<_>>();
        let mut latest = BinaryHeap::new();
        for (place, ids) in ids.iter_mut().enumerate() {
            latest.extend(ids.next_back().transpose()?.map(|id| (id, place)));
        }
        let (mut left, mut last) = (nth, None);
        while let Some((id, place)) = latest.pop() {
            let next = ids[place].next_back().transpose()?;
            latest.extend(next.map(|id| (id, place)));
            if last.replace(id) == Some(id) {
                continue;
            }
            if !self
                .selector
                .admits(self.view.event(id, &mut decoder)?.event())
            {
                continue;
            }
            if left == 0 {
                return Ok(Some(id));
            }
            left -= 1;
        }
        Ok(None)
    }

    fn all(&self, chunk: &mut Chunk, limit: Limit) -> Result<(), Fault> {
        let (mut bytes, mut looked_at, mut before) = (0, 0, None);
        for found in self.view.events(chunk.after, self.end) {
            let (number, stored) = found?;
            if before.is_some_and(|before| before + 1 != number) {
                let id = stored.id();
                return Err(Fault::Damaged(format!("events before {id} are missing")));
            }
            before = Some(number);
            if self.selector.admits(stored.event()) {
                bytes += stored.event().cost();
                if is_full(chunk, limit, bytes) {
                    chunk.read_to = stored.id().before();
                    return Ok(());
                }
                chunk.events.push(Found::Fetched(stored));
            } else if looked_at >= MAX_LOOKED_AT {
                chunk.read_to = stored.id();
                return Ok(());
            }
            looked_at += 1;
        }
        Ok(())
    }

    fn of_topics(&self, topics: &[Topic], chunk: &mut Chunk, limit: Limit) -> Result<(), Fault> {
        let mut decoder = Decoder::default();
        let mut ids = topics
            .iter()
            .map(|topic| self.view.of_topic(topic, chunk.after, self.end))
            .collect::<Vec<_>>();
        let mut earliest = BinaryHeap::new();
        for (place, ids) in ids.iter_mut().enumerate() {
            earliest.extend(ids.next().transpose()?.map(|id| Reverse((id, place))));
        }
        let (mut bytes, mut looked_at, mut last) = (0, 0, None);
        while let Some(Reverse((id, place))) = earliest.pop() {
            let next = ids[place].next().transpose()?;
            earliest.extend(next.map(|id| Reverse((id, place))));
            if last.replace(id) == Some(id) {
                continue;
            }
            let stored = self.view.event(id, &mut decoder)?;
            if self.selector.admits(stored.event()) {
                bytes += stored.event().cost();
                if is_full(chunk, limit, bytes) {
                    // Right before it: events of other topics that are dropped in between are no
                    // loss then.
                    chunk.read_to = id.before();
                    return Ok(());
                }
                chunk.events.push(Found::Fetched(stored));
            } else if looked_at >= MAX_LOOKED_AT {
                chunk.read_to = id;
                return Ok(());
            }
            looked_at += 1;
        }
        Ok(())
    }
}

fn is_full(chunk: &Chunk, limit: Limit, bytes: usize) -> bool {
    let full = chunk.events.len() >= limit.events || bytes > limit.bytes;
    full && !chunk.events.is_empty()
}
