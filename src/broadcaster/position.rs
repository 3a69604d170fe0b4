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
    frame: Option<(EventId, Bytes)>,
}

impl Positions {
    pub(crate) fn new(place: Place, retention: Retention) -> Self {
        let mut positions = Self {
            events: (retention.events as u64 / u64::from(LOOKS)).max(1),
            bytes: (retention.bytes as u64 / u64::from(LOOKS)).max(1),
            age: retention.age.map(|age| age / LOOKS),
            looks: VecDeque::new(),
            frame: None,
        };
        positions.restart(place);
        positions
    }

    pub(crate) fn restart(&mut self, place: Place) {
        self.looks.clear();
        self.looks.push_back((place, Instant::now()));
    }

    /// The shard has come here. If it is time to look: the id at or before which a stream that was
    /// told no later one is to be told again.
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
        self.overdue()
    }

    /// The same, by the clock alone: events grow old while nothing is published.
    pub(crate) fn look_by_age(&mut self) -> Option<EventId> {
        self.age?;
        let (place, _) = *self.looks.back()?;
        self.look(place)
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

    /// Shared by all that are told the same position.
    pub(crate) fn frame(&mut self, at: EventId) -> Bytes {
        match &self.frame {
            Some((of, frame)) if *of == at => frame.clone(),
            _ => {
                let frame = Frame::position(at);
                self.frame = Some((at, frame.clone()));
                frame
            }
        }
    }
}
