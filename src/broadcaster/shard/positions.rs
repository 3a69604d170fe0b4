//! When a quiet stream is sent its position, so that its resume is no false gap.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{
    event::EventId,
    history::{LogPosition, Retention, Tail},
};

/// Polls in the time in which the window is replaced once.
const POLLS: u32 = 8;
/// A position is due to a stream that was sent nothing for so many polls. With the poll that may just have been
/// missed and the half window that a shard may lag, that is in time for what history still holds.
const OVERDUE_POLLS: u32 = 2;

/// Remembers where the shard was [`OVERDUE_POLLS`] ago.
pub(super) struct Positions {
    /// A poll is due each time so many events, bytes or seconds have passed.
    events: u64,
    bytes: u64,
    age: Option<Duration>,
    polls: VecDeque<(LogPosition, Instant)>,
    due: Option<Due>,
}

/// The position `at` is due to each live stream that was sent no later id than `overdue`: no walk was under way
/// there, so each was sent everything up to it.
struct Due {
    overdue: EventId,
    at: EventId,
}

impl Positions {
    pub(super) fn new(position: LogPosition, retention: Retention) -> Self {
        let mut positions = Self {
            events: (retention.events as u64 / u64::from(POLLS)).max(1),
            bytes: (retention.bytes as u64 / u64::from(POLLS)).max(1),
            age: retention.age.map(|age| age / POLLS),
            polls: VecDeque::new(),
            due: None,
        };
        positions.restart(position);
        positions
    }

    /// From here on. All older ids count as overdue.
    pub(super) fn restart(&mut self, position: LogPosition) {
        self.polls.clear();
        self.polls.push_back((position, Instant::now()));
        self.set_due(position.id, position.id);
    }

    /// Ids of before mean nothing any more.
    pub(super) fn forget(&mut self) {
        self.due = None;
    }

    fn set_due(&mut self, at: EventId, overdue: EventId) {
        self.due = Some(Due { overdue, at });
    }

    /// The shard has walked this, and no walk is under way. Returns `overdue`, where that has changed: a position
    /// is due to streams that were sent no later id.
    pub(super) fn walked(&mut self, tail: &Tail) -> Option<EventId> {
        if self
            .polls
            .back()
            .is_some_and(|(last, _)| last.epoch != tail.to.epoch)
        {
            self.restart(tail.to);
            return None;
        }
        let now = Instant::now();
        let mut position = tail.from;
        // A walk may be about half a window: its end alone would be too coarse.
        for stored in &tail.events {
            position.pass(stored);
            self.poll(position, now);
        }
        self.overdue(tail.to, now)
    }

    /// The same, by the clock alone: events grow old while nothing is published.
    pub(super) fn waited(&mut self, position: LogPosition) -> Option<EventId> {
        self.age?;
        let now = Instant::now();
        self.poll(position, now);
        self.overdue(position, now)
    }

    fn poll(&mut self, position: LogPosition, now: Instant) {
        let is_due = self.polls.back().is_none_or(|(last, at)| {
            position.number >= last.number + self.events
                || position.bytes >= last.bytes + self.bytes
                || self.age.is_some_and(|age| now.duration_since(*at) >= age)
        });
        if is_due {
            self.polls.push_back((position, now));
        }
    }

    fn overdue(&mut self, position: LogPosition, now: Instant) -> Option<EventId> {
        let mut overdue = None;
        while let Some((seen, at)) = self.polls.front() {
            let is_behind = position.number >= seen.number + self.events * u64::from(OVERDUE_POLLS)
                || position.bytes >= seen.bytes + self.bytes * u64::from(OVERDUE_POLLS)
                || self
                    .age
                    .is_some_and(|age| now.duration_since(*at) >= age * OVERDUE_POLLS);
            if !is_behind {
                break;
            }
            overdue = Some(seen.id);
            self.polls.pop_front();
        }
        self.set_due(position.id, overdue?);
        overdue
    }

    /// The position that is due to a live stream whose client was sent this id last.
    pub(super) fn due(&self, last_sent: EventId) -> Option<EventId> {
        let due = self.due.as_ref()?;
        (last_sent <= due.overdue && last_sent < due.at).then_some(due.at)
    }
}
