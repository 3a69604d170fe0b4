//! When a quiet stream is told how far it is, so that its resume is no false gap.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::{
    event::EventId,
    history::{Place, Retention},
    sse::Frame,
};

/// Looks per turn of the window.
const LOOKS: u32 = 8;
/// A stream is told once it is so many looks behind. With the look that may just have been missed
/// and the half window that a shard may lag, that is in time for what history still holds.
const TOLD_BEHIND: u32 = 2;

/// Remembers where the shard was [`TOLD_BEHIND`] looks ago.
pub(crate) struct Positions {
    /// A look is taken each time so many events, bytes or seconds have passed.
    events: u64,
    bytes: u64,
    age: Option<Duration>,
    looks: VecDeque<(Place, Instant)>,
    owed: Option<Owed>,
}

/// Whoever was told no later id than `overdue`, and is live, is owed the position `at`: no walk was
/// under way there, so it has everything up to it.
struct Owed {
    overdue: EventId,
    at: EventId,
    /// Shared by all that are told.
    frame: Option<Bytes>,
}

impl Positions {
    pub(crate) fn new(place: Place, retention: Retention) -> Self {
        let mut positions = Self {
            events: (retention.events as u64 / u64::from(LOOKS)).max(1),
            bytes: (retention.bytes as u64 / u64::from(LOOKS)).max(1),
            age: retention.age.map(|age| age / LOOKS),
            looks: VecDeque::new(),
            owed: None,
        };
        positions.restart(place);
        positions
    }

    /// From here on. How far behind an older id is nobody remembers, so it is behind.
    pub(crate) fn restart(&mut self, place: Place) {
        self.looks.clear();
        self.looks.push_back((place, Instant::now()));
        self.owe(place.id, place.id);
    }

    /// Ids of before stand for nothing any more.
    pub(crate) fn forget(&mut self) {
        self.owed = None;
    }

    fn owe(&mut self, at: EventId, overdue: EventId) {
        self.owed = Some(Owed {
            overdue,
            at,
            frame: None,
        });
    }

    /// The shard has come here, and no walk is under way. If it is time to look: the id at or before
    /// which a stream that was told no later one is to be told again.
    pub(crate) fn look(&mut self, place: Place) -> Option<EventId> {
        let (last, at) = *self.looks.back()?;
        let due = last.epoch != place.epoch
            || place.number >= last.number + self.events
            || place.bytes >= last.bytes + self.bytes
            || self.age.is_some_and(|age| at.elapsed() >= age);
        if !due {
            return None;
        }
        if last.epoch != place.epoch {
            self.restart(place);
            return None;
        }
        self.looks.push_back((place, Instant::now()));
        let overdue = self.overdue()?;
        self.owe(place.id, overdue);
        Some(overdue)
    }

    /// The same, by the clock alone: events grow old while nothing is published.
    pub(crate) fn look_by_age(&mut self, place: Place) -> Option<EventId> {
        self.age?;
        self.look(place)
    }

    /// What a live stream is to be told that was told this id last.
    pub(crate) fn owed(&mut self, told: EventId) -> Option<(EventId, Bytes)> {
        let owed = self.owed.as_mut()?;
        let at = owed.at;
        let is_owed = told <= owed.overdue && told < at;
        is_owed.then(|| {
            (
                at,
                owed.frame
                    .get_or_insert_with(|| Frame::position(at))
                    .clone(),
            )
        })
    }

    fn overdue(&mut self) -> Option<EventId> {
        let (now, _) = *self.looks.back()?;
        let mut overdue = None;
        while let Some((place, at)) = self.looks.front() {
            let behind = now.number >= place.number + self.events * u64::from(TOLD_BEHIND)
                || now.bytes >= place.bytes + self.bytes * u64::from(TOLD_BEHIND)
                || self
                    .age
                    .is_some_and(|age| at.elapsed() >= age * TOLD_BEHIND);
            if !behind || self.looks.len() == 1 {
                break;
            }
            overdue = Some(place.id);
            self.looks.pop_front();
        }
        overdue
    }
}
