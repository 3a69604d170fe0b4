//! When each connection is checked again.

use std::{cmp::Reverse, collections::BinaryHeap, time::Instant};

use super::inbox::Slot;

/// Timers are not cancelled: a connection checks whether its timer still matters.
#[derive(Debug, Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(Instant, Slot)>>);

impl Timers {
    pub(super) fn set(&mut self, at: Instant, slot: Slot) {
        self.0.push(Reverse((at, slot)));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    pub(super) fn take_due(&mut self, now: Instant) -> Option<Slot> {
        if self.next()? > now {
            return None;
        }
        self.0.pop().map(|Reverse((_, slot))| slot)
    }
}
