//! When a quiet stream is told how far it is, so that its resume is no false gap.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{
    event::EventId,
    history::{LogPosition, Retention, Tail},
};

/// Polls per turn of the window.
const POLLS: u32 = 8;
/// A stream is told once it is so many polls behind. With the poll that may just have been missed
/// and the half window that a shard may lag, that is in time for what history still holds.
const TOLD_BEHIND: u32 = 2;

/// Remembers where the shard was [`TOLD_BEHIND`] polls ago.
pub(crate) struct Positions {
    /// A look is taken each time so many events, bytes or seconds have passed.
    events: u64,
    bytes: u64,
    age: Option<Duration>,
    polls: VecDeque<(LogPosition, Instant)>,
    owed: Option<Owed>,
}

/// Whoever was told no later id than `overdue`, and is live, is owed the position `at`: no walk was
/// under way there, so it has everything up to it.
struct Owed {
    overdue: EventId,
    at: EventId,
}

impl Positions {
    pub(crate) fn new(place: LogPosition, retention: Retention) -> Self {
        let mut positions = Self {
            events: (retention.events as u64 / u64::from(POLLS)).max(1),
            bytes: (retention.bytes as u64 / u64::from(POLLS)).max(1),
            age: retention.age.map(|age| age / POLLS),
            polls: VecDeque::new(),
            owed: None,
        };
        positions.restart(place);
        positions
    }

    /// From here on. How far behind an older id is nobody remembers, so it is behind.
    pub(crate) fn restart(&mut self, place: LogPosition) {
        self.polls.clear();
        self.polls.push_back((place, Instant::now()));
        self.owe(place.id, place.id);
    }

    /// Ids of before stand for nothing any more.
    pub(crate) fn forget(&mut self) {
        self.owed = None;
    }

    fn owe(&mut self, at: EventId, overdue: EventId) {
        self.owed = Some(Owed { overdue, at });
    }

    /// The shard has walked this, and no walk is under way. The id at or before which a stream that was
    /// told no later one is to be told again, where that has changed.
    pub(crate) fn walked(&mut self, tail: &Tail) -> Option<EventId> {
        if self
            .polls
            .back()
            .is_some_and(|(last, _)| last.epoch != tail.to.epoch)
        {
            self.restart(tail.to);
            return None;
        }
        let now = Instant::now();
        let mut place = tail.from;
        // A walk may take on half a window: where it ends alone would be too rough.
        for stored in &tail.events {
            place.pass(stored);
            self.look(place, now);
        }
        self.overdue(tail.to, now)
    }

    /// The same, by the clock alone: events grow old while nothing is published.
    pub(crate) fn waited(&mut self, place: LogPosition) -> Option<EventId> {
        self.age?;
        let now = Instant::now();
        self.look(place, now);
        self.overdue(place, now)
    }

    fn look(&mut self, place: LogPosition, now: Instant) {
        let is_due = self.polls.back().is_none_or(|(last, at)| {
            place.number >= last.number + self.events
                || place.bytes >= last.bytes + self.bytes
                || self.age.is_some_and(|age| now.duration_since(*at) >= age)
        });
        if is_due {
            self.polls.push_back((place, now));
        }
    }

    fn overdue(&mut self, place: LogPosition, now: Instant) -> Option<EventId> {
        let mut overdue = None;
        while let Some((seen, at)) = self.polls.front() {
            let is_behind = place.number >= seen.number + self.events * u64::from(TOLD_BEHIND)
                || place.bytes >= seen.bytes + self.bytes * u64::from(TOLD_BEHIND)
                || self
                    .age
                    .is_some_and(|age| now.duration_since(*at) >= age * TOLD_BEHIND);
            if !is_behind {
                break;
            }
            overdue = Some(seen.id);
            self.polls.pop_front();
        }
        self.owe(place.id, overdue?);
        overdue
    }

    /// The position that a live stream is owed whose client was last sent this id.
    pub(crate) fn owed(&self, last_sent: EventId) -> Option<EventId> {
        let owed = self.owed.as_ref()?;
        (last_sent <= owed.overdue && last_sent < owed.at).then_some(owed.at)
    }
}
