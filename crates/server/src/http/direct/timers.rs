//! When which connection is to be looked at again, by the clock.

use std::{cmp::Reverse, collections::BinaryHeap, time::Instant};

use super::inbox::Slot;

/// Whoever set a time looks itself whether there is still something to do by then.
#[derive(Debug, Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(Instant, Slot)>>);

impl Timers {
    pub(super) fn set(&mut self, at: Instant, place: Slot) {
        self.0.push(Reverse((at, place)));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    pub(super) fn take_due(&mut self, now: Instant) -> Option<Slot> {
        if self.next()? > now {
            return None;
        }
        self.0.pop().map(|Reverse((_, place))| place)
    }
}
