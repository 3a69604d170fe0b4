//! Ids that always increase, whatever the clock does.

use crate::event::EventId;

/// Below this the first sequence number of each millisecond is drawn, leaving room to count on.
const FIRST_SEQUENCE_BOUND: u64 = 1 << 32;

/// Where the sequence of a new log begins in each millisecond.
#[must_use]
pub fn first_sequence() -> u64 {
    fastrand::u64(1..FIRST_SEQUENCE_BOUND)
}

/// Gives the ids of one epoch.
#[derive(Debug)]
pub struct Ids {
    last: EventId,
    /// Where the sequence begins in each millisecond, random per epoch, so that an id of another log is not taken for
    /// one of this.
    first_sequence: u64,
    /// Is added to the sequence of the next id, where that has the same millisecond as the last.
    skip: u64,
}

impl Ids {
    /// Ids of a new log, after its birth id.
    #[must_use]
    pub fn new(birth_ms: u64) -> Self {
        Self {
            last: EventId::new(birth_ms, 0),
            first_sequence: first_sequence(),
            skip: 0,
        }
    }

    /// Goes on after the last id that is known. Later ids may have been given and lost in a power loss, and are not
    /// given again, whatever the clock shows.
    #[must_use]
    pub fn resume(last: EventId) -> Self {
        Self {
            last,
            skip: first_sequence(),
            ..Self::new(last.ms())
        }
    }

    /// The last id given, or the birth id.
    #[must_use]
    pub fn last(&self) -> EventId {
        self.last
    }

    /// The next id, after all that were given before.
    pub fn next(&mut self, now_ms: u64) -> EventId {
        self.last = if now_ms > self.last.ms() {
            EventId::new(now_ms, self.first_sequence)
        } else {
            let seq = self.last.seq().max(self.first_sequence - 1) + 1 + self.skip;
            EventId::new(self.last.ms(), seq)
        };
        self.skip = 0;
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_increase_also_when_the_clock_stands_or_goes_back() {
        let mut ids = Ids::new(100);
        let mut last = ids.last();
        for now in [100, 100, 101, 50, 101, 102, 1] {
            let id = ids.next(now);
            assert!(id > last, "{id} after {last}");
            last = id;
        }
        assert_eq!(last.ms(), 102);
    }

    #[test]
    fn two_logs_born_at_once_give_different_ids() {
        let (mut a, mut b) = (Ids::new(7), Ids::new(7));
        assert_ne!(a.next(8), b.next(8));
    }
}
