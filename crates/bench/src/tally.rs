//! What one reading thread counts: which events its subscribers got, how late, and in which order.

use hdrhistogram::Histogram;

use super::{
    ledger::Ledger,
    mark::Mark,
    timeline::{Steps, histogram},
};

/// Which events of one lane a subscriber has: the newest, and of the 32 up to it, which.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Seen {
    newest: u32,
    bits: u32,
}

impl Seen {
    /// Whether it is new to the subscriber. One that far behind the newest that this is not known
    /// counts as old.
    fn is_new(&mut self, index: u32) -> bool {
        if index > self.newest {
            self.bits = self.bits.checked_shl(index - self.newest).unwrap_or(0) | 1;
            self.newest = index;
            return true;
        }
        let bit = 1u32.checked_shl(self.newest - index).unwrap_or(0);
        let is_new = bit != 0 && self.bits & bit == 0;
        self.bits |= bit;
        is_new
    }
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) delivered: u64,
    pub(super) duplicated: u64,
    pub(super) out_of_order: u64,
    /// Of another topic than was asked for.
    pub(super) unasked: u64,
    /// Delivered so late that the ledger had given the event up.
    pub(super) late: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: Self) {
        self.delivered += other.delivered;
        self.duplicated += other.duplicated;
        self.out_of_order += other.out_of_order;
        self.unasked += other.unasked;
        self.late += other.late;
    }
}

#[derive(Debug)]
pub(super) struct Tally {
    pub(super) counts: Counts,
    /// From publish to arrival.
    pub(super) arrivals: Histogram<u64>,
    /// From publish to the arrival at the last subscriber.
    pub(super) lasts: Histogram<u64>,
    pub(super) steps: Steps,
}

/// What is kept of one subscriber.
#[derive(Debug)]
pub(super) struct Standing<'a> {
    pub(super) topic: usize,
    /// When the newest of what it has was begun.
    pub(super) newest_begun: &'a mut u64,
    /// For each lane.
    pub(super) seen: &'a mut [Seen],
}

impl Tally {
    pub(super) fn new(steps: Steps) -> Self {
        Self {
            counts: Counts::default(),
            arrivals: histogram(),
            lasts: histogram(),
            steps,
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.counts.add(other.counts);
        for (own, other) in [
            (&mut self.arrivals, &other.arrivals),
            (&mut self.lasts, &other.lasts),
        ] {
            own.add(other).expect("all have the same bounds");
        }
        self.steps.add(&other.steps);
    }

    /// An event has arrived, at `now`, of a run that began to publish at `start`.
    ///
    /// It is out of order if its publish had been answered before the publish of one that came
    /// earlier was begun. What was under way at the same time may come in any order.
    pub(super) fn arrived(
        &mut self,
        mark: Mark,
        to: &mut Standing,
        ledger: &Ledger,
        (now, start): (u64, u64),
    ) {
        let Some(seen) = to.seen.get_mut(usize::from(mark.lane)) else {
            return;
        };
        if ledger.topic_of(mark.lane, mark.sequence) != to.topic {
            self.counts.unasked += 1;
            return;
        }
        if !seen.is_new(ledger.index_of(mark.sequence)) {
            self.counts.duplicated += 1;
            return;
        }
        self.counts.delivered += 1;
        let latency = now.saturating_sub(mark.time) / 1_000;
        self.arrivals.saturating_record(latency);
        let step = self.steps.at(now.saturating_sub(start));
        step.arrivals.saturating_record(latency);
        let Some(arrival) = ledger.arrived(mark.lane, mark.sequence) else {
            self.counts.late += 1;
            return;
        };
        if arrival.answered.is_some_and(|at| at < *to.newest_begun) {
            self.counts.out_of_order += 1;
        }
        *to.newest_begun = arrival.begun.max(*to.newest_begun);
        if arrival.is_last {
            self.lasts.saturating_record(latency);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ledger::Settled;

    const LANES: usize = 2;

    /// Subscribers of one run, each with what is kept of it.
    struct World {
        topics: usize,
        ledger: Ledger,
        tally: Tally,
        subscribers: Vec<(u64, [Seen; LANES])>,
    }

    impl World {
        fn new(subscribers: usize, topics: usize) -> Self {
            let ledger = Ledger::new(LANES, topics);
            (0..subscribers).for_each(|at| ledger.opened(at % topics));
            Self {
                topics,
                ledger,
                tally: Tally::new(Steps::new(Duration::from_secs(1))),
                subscribers: vec![(0, [Seen::default(); LANES]); subscribers],
            }
        }

        fn arrive(&mut self, subscriber: usize, (lane, sequence): (u16, u32), now: u64) {
            let (newest_begun, seen) = &mut self.subscribers[subscriber];
            let mut standing = Standing {
                topic: subscriber % self.topics,
                newest_begun,
                seen,
            };
            let mark = Mark {
                lane,
                sequence,
                time: 1_000,
            };
            self.tally
                .arrived(mark, &mut standing, &self.ledger, (now, 0));
        }

        fn counts(&self) -> (u64, u64, u64) {
            let counts = self.tally.counts;
            (counts.delivered, counts.duplicated, counts.out_of_order)
        }
    }

    #[test]
    fn what_comes_again_is_counted_apart_from_what_comes_once() {
        let mut seen = Seen::default();
        assert!([1, 3, 2, 40, 9].map(|index| seen.is_new(index)) == [true; 5]);
        assert!([1, 2, 3, 9, 40].map(|index| seen.is_new(index)) == [false; 5]);
    }

    #[test]
    fn an_event_that_overtakes_one_that_was_answered_before_it_began_makes_that_one_out_of_order() {
        let mut world = World::new(1, 1);
        world.ledger.begin(0, 1, 10);
        world.ledger.answered(0, 1, 20);
        world.ledger.begin(1, 1, 30);
        world.arrive(0, (1, 1), 40);
        world.arrive(0, (0, 1), 50);
        assert_eq!(world.counts(), (2, 0, 1));
    }

    #[test]
    fn events_that_were_under_way_together_may_come_in_any_order() {
        let mut world = World::new(1, 1);
        world.ledger.begin(0, 1, 10);
        world.ledger.begin(1, 1, 15);
        world.ledger.answered(0, 1, 20);
        world.ledger.answered(1, 1, 20);
        world.arrive(0, (1, 1), 40);
        world.arrive(0, (0, 1), 50);
        assert_eq!(world.counts(), (2, 0, 0));
    }

    #[test]
    fn what_an_acknowledged_event_lacks_is_missing_and_what_was_not_acknowledged_is_not() {
        let mut world = World::new(3, 1);
        for sequence in [1, 2, 3] {
            world.ledger.begin(0, sequence, 10);
        }
        world.ledger.answered(0, 1, 20);
        world.ledger.not_taken(0, 2);
        world.arrive(0, (0, 1), 30);
        world.arrive(1, (0, 1), 30);
        world.arrive(0, (0, 2), 30);
        let settled = Settled {
            lacking: 1,
            unacknowledged: 1,
        };
        assert_eq!(world.ledger.settle_all(), settled);
        assert_eq!(world.ledger.settle_all(), Settled::default());
    }

    #[test]
    fn the_last_subscriber_is_the_one_that_completes_an_event_among_those_that_are_left() {
        let mut world = World::new(3, 1);
        world.ledger.cut(0);
        world.ledger.begin(0, 1, 1_000);
        world.arrive(0, (0, 1), 3_000);
        assert_eq!(world.tally.lasts.len(), 0);
        world.arrive(1, (0, 1), 9_000);
        assert_eq!((world.tally.lasts.len(), world.tally.lasts.max()), (1, 8));
        assert_eq!(world.tally.arrivals.min(), 2);
    }

    #[test]
    fn an_event_that_many_have_overtaken_is_counted_though_no_longer_judged() {
        let mut world = World::new(1, 1);
        let mut settled = Settled::default();
        for sequence in 1..=100_000 {
            settled.add(world.ledger.begin(0, sequence, 10));
            world.ledger.answered(0, sequence, 20);
        }
        for sequence in 1..=100_000 {
            world.arrive(0, (0, sequence), 30);
        }
        settled.add(world.ledger.settle_all());
        assert_eq!(world.counts(), (100_000, 0, 0));
        assert_eq!(settled.lacking, world.tally.counts.late);
        assert!(world.tally.counts.late > 0);
    }

    #[test]
    fn each_subscriber_is_told_of_its_own_topic_and_of_no_other() {
        let mut world = World::new(4, 2);
        for sequence in 1..=6 {
            world.ledger.begin(0, sequence, 10);
            world.ledger.answered(0, sequence, 20);
            for subscriber in 0..4 {
                world.arrive(subscriber, (0, sequence), 30);
            }
        }
        assert_eq!(world.counts(), (12, 0, 0));
        assert_eq!(world.tally.counts.unasked, 12);
        assert_eq!(world.ledger.settle_all(), Settled::default());
    }
}
