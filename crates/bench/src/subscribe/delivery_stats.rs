//! What one reading thread counts: which events its subscribers receive, how late, and in which order.

use hdrhistogram::Histogram;

use crate::{
    event_tracker::EventTracker,
    marker::Marker,
    timeline::{Timeline, histogram},
};

/// Which events of one publisher a subscriber has received: the number of the newest, and a bit for each of
/// the 32 up to it.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct SequenceWindow {
    newest: u32,
    bits: u32,
}

impl SequenceWindow {
    /// Whether the event is new to the subscriber. An event before the window counts as a duplicate.
    fn is_new(&mut self, number: u32) -> bool {
        if number > self.newest {
            self.bits = self.bits.checked_shl(number - self.newest).unwrap_or(0) | 1;
            self.newest = number;
            return true;
        }
        let bit = 1u32.checked_shl(self.newest - number).unwrap_or(0);
        let is_new = bit != 0 && self.bits & bit == 0;
        self.bits |= bit;
        is_new
    }
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) delivered: u64,
    pub(crate) duplicated: u64,
    pub(crate) out_of_order: u64,
    /// Of a topic that the subscriber has not subscribed to.
    pub(crate) unasked: u64,
    /// Delivered so late that the event was no longer tracked.
    pub(crate) late: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.delivered += other.delivered;
        self.duplicated += other.duplicated;
        self.out_of_order += other.out_of_order;
        self.unasked += other.unasked;
        self.late += other.late;
    }
}

#[derive(Debug)]
pub(crate) struct DeliveryStats {
    pub(crate) counts: Counts,
    /// From publish to arrival, in microseconds.
    pub(crate) arrivals: Histogram<u64>,
    /// From publish to the arrival at the last subscriber, in microseconds.
    pub(crate) last_arrivals: Histogram<u64>,
    pub(crate) timeline: Timeline,
}

/// What is kept for one subscriber.
#[derive(Debug)]
pub(crate) struct SubscriberState<'a> {
    pub(crate) topic: usize,
    /// When the newest event that it has received was published.
    pub(crate) newest_begun: &'a mut u64,
    /// For each publisher.
    pub(crate) windows: &'a mut [SequenceWindow],
}

impl DeliveryStats {
    pub(crate) fn new(timeline: Timeline) -> Self {
        Self {
            counts: Counts::default(),
            arrivals: histogram(),
            last_arrivals: histogram(),
            timeline,
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.counts.add(other.counts);
        for (own, other) in [
            (&mut self.arrivals, &other.arrivals),
            (&mut self.last_arrivals, &other.last_arrivals),
        ] {
            own.add(other).expect("all have the same bounds");
        }
        self.timeline.add(&other.timeline);
    }

    /// Counts an event that arrived at `now`, in a run that began to publish at `start`.
    ///
    /// It is out of order if it had been accepted before the publish of an event began that has arrived
    /// earlier. Events that were published at the same time may arrive in any order.
    pub(crate) fn count_arrival(
        &mut self,
        marker: Marker,
        to: &mut SubscriberState,
        tracker: &EventTracker,
        (now, start): (u64, u64),
    ) {
        let Some(window) = to.windows.get_mut(usize::from(marker.publisher)) else {
            return;
        };
        if tracker.topic_of(marker.publisher, marker.sequence) != to.topic {
            self.counts.unasked += 1;
            return;
        }
        if !window.is_new(tracker.number_in_topic(marker.sequence)) {
            self.counts.duplicated += 1;
            return;
        }
        self.counts.delivered += 1;
        let latency = now.saturating_sub(marker.time) / 1_000;
        self.arrivals.saturating_record(latency);
        let step = self.timeline.at(now.saturating_sub(start));
        step.arrivals.saturating_record(latency);
        let Some(arrival) = tracker.arrived(marker.publisher, marker.sequence) else {
            self.counts.late += 1;
            return;
        };
        if arrival.accepted.is_some_and(|at| at < *to.newest_begun) {
            self.counts.out_of_order += 1;
        }
        *to.newest_begun = arrival.begun.max(*to.newest_begun);
        if arrival.is_last {
            self.last_arrivals.saturating_record(latency);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event_tracker::Untracked;

    const PUBLISHERS: usize = 2;

    /// The subscribers of one run.
    struct Subscribers {
        topics: usize,
        tracker: EventTracker,
        stats: DeliveryStats,
        states: Vec<(u64, [SequenceWindow; PUBLISHERS])>,
    }

    impl Subscribers {
        fn new(subscribers: usize, topics: usize) -> Self {
            let tracker = EventTracker::new(PUBLISHERS, topics);
            (0..subscribers).for_each(|at| tracker.subscriber_opened(at % topics));
            Self {
                topics,
                tracker,
                stats: DeliveryStats::new(Timeline::new(Duration::from_secs(1))),
                states: vec![(0, [SequenceWindow::default(); PUBLISHERS]); subscribers],
            }
        }

        fn arrive(&mut self, subscriber: usize, (publisher, sequence): (u16, u32), now: u64) {
            let (newest_begun, windows) = &mut self.states[subscriber];
            let mut receiver = SubscriberState {
                topic: subscriber % self.topics,
                newest_begun,
                windows,
            };
            let marker = Marker {
                publisher,
                sequence,
                time: 1_000,
            };
            self.stats
                .count_arrival(marker, &mut receiver, &self.tracker, (now, 0));
        }

        fn counts(&self) -> (u64, u64, u64) {
            let counts = self.stats.counts;
            (counts.delivered, counts.duplicated, counts.out_of_order)
        }
    }

    #[test]
    fn a_window_knows_a_repeated_event_from_a_new_one() {
        let mut window = SequenceWindow::default();
        assert!([1, 3, 2, 40, 9].map(|number| window.is_new(number)) == [true; 5]);
        assert!([1, 2, 3, 9, 40].map(|number| window.is_new(number)) == [false; 5]);
    }

    #[test]
    fn an_event_is_out_of_order_after_one_that_was_published_once_it_had_been_accepted() {
        let mut subscribers = Subscribers::new(1, 1);
        subscribers.tracker.begin(0, 1, 10);
        subscribers.tracker.accepted(0, 1, 20);
        subscribers.tracker.begin(1, 1, 30);
        subscribers.arrive(0, (1, 1), 40);
        subscribers.arrive(0, (0, 1), 50);
        assert_eq!(subscribers.counts(), (2, 0, 1));
    }

    #[test]
    fn events_that_were_published_at_the_same_time_may_arrive_in_any_order() {
        let mut subscribers = Subscribers::new(1, 1);
        subscribers.tracker.begin(0, 1, 10);
        subscribers.tracker.begin(1, 1, 15);
        subscribers.tracker.accepted(0, 1, 20);
        subscribers.tracker.accepted(1, 1, 20);
        subscribers.arrive(0, (1, 1), 40);
        subscribers.arrive(0, (0, 1), 50);
        assert_eq!(subscribers.counts(), (2, 0, 0));
    }

    #[test]
    fn only_deliveries_of_accepted_events_can_be_missing() {
        let mut subscribers = Subscribers::new(3, 1);
        for sequence in [1, 2, 3] {
            subscribers.tracker.begin(0, sequence, 10);
        }
        subscribers.tracker.accepted(0, 1, 20);
        subscribers.tracker.not_accepted(0, 2);
        subscribers.arrive(0, (0, 1), 30);
        subscribers.arrive(1, (0, 1), 30);
        subscribers.arrive(0, (0, 2), 30);
        let untracked = Untracked {
            missing: 1,
            unacknowledged: 1,
        };
        assert_eq!(subscribers.tracker.stop_tracking_all(), untracked);
        assert_eq!(
            subscribers.tracker.stop_tracking_all(),
            Untracked::default()
        );
    }

    #[test]
    fn the_last_arrival_is_that_at_the_last_subscriber_that_was_not_cut() {
        let mut subscribers = Subscribers::new(3, 1);
        subscribers.tracker.subscriber_cut(0);
        subscribers.tracker.begin(0, 1, 1_000);
        subscribers.arrive(0, (0, 1), 3_000);
        assert_eq!(subscribers.stats.last_arrivals.len(), 0);
        subscribers.arrive(1, (0, 1), 9_000);
        assert_eq!(
            (
                subscribers.stats.last_arrivals.len(),
                subscribers.stats.last_arrivals.max()
            ),
            (1, 8)
        );
        assert_eq!(subscribers.stats.arrivals.min(), 2);
    }

    #[test]
    fn an_event_that_is_no_longer_tracked_still_counts_as_delivered() {
        let mut subscribers = Subscribers::new(1, 1);
        let mut untracked = Untracked::default();
        for sequence in 1..=100_000 {
            untracked.add(subscribers.tracker.begin(0, sequence, 10));
            subscribers.tracker.accepted(0, sequence, 20);
        }
        for sequence in 1..=100_000 {
            subscribers.arrive(0, (0, sequence), 30);
        }
        untracked.add(subscribers.tracker.stop_tracking_all());
        assert_eq!(subscribers.counts(), (100_000, 0, 0));
        assert_eq!(untracked.missing, subscribers.stats.counts.late);
        assert!(subscribers.stats.counts.late > 0);
    }

    #[test]
    fn an_event_of_a_topic_that_was_not_subscribed_to_is_counted_apart() {
        let mut subscribers = Subscribers::new(4, 2);
        for sequence in 1..=6 {
            subscribers.tracker.begin(0, sequence, 10);
            subscribers.tracker.accepted(0, sequence, 20);
            for subscriber in 0..4 {
                subscribers.arrive(subscriber, (0, sequence), 30);
            }
        }
        assert_eq!(subscribers.counts(), (12, 0, 0));
        assert_eq!(subscribers.stats.counts.unasked, 12);
        assert_eq!(
            subscribers.tracker.stop_tracking_all(),
            Untracked::default()
        );
    }
}
