//! Tracks the newest events of each publisher, for publishers and subscribers of all threads: how many
//! subscribers each event has still to reach, when its publish began, and when the response came.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

/// Most events that are tracked, of all publishers and of one. An event that so many later ones of its
/// publisher have replaced is still counted, but its order is no longer checked.
const MAX_ENTRIES: usize = 1 << 20;
const MAX_ENTRIES_OF_PUBLISHER: usize = 1 << 14;

/// In place of the time of a response, where the event was rejected, or its outcome is unknown.
const NOT_ACCEPTED: u64 = u64::MAX;

#[derive(Debug)]
pub(crate) struct EventTracker {
    publishers: Box<[OnceLock<Box<[Entry]>>]>,
    entries_of_publisher: usize,
    topics: Box<[Topic]>,
}

/// The subscribers of one topic.
#[derive(Debug, Default)]
struct Topic {
    /// Open when the first event was published; before that, open now.
    opened: AtomicU32,
    /// How many of them have been cut since.
    cut: AtomicU32,
}

#[derive(Debug, Default)]
struct Entry {
    /// The sequence in the upper half, the number of subscribers still to reach in the lower half. Both are in
    /// one word, so that a late subscriber does not count down another event.
    pending: AtomicU64,
    begun: AtomicU64,
    /// 0 while there is no response.
    responded: AtomicU64,
    /// The subscribers that were cut before the event was published.
    unreachable: AtomicU32,
}

/// What is known of an event when it arrives at a subscriber.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) begun: u64,
    /// When its publisher had the response.
    pub(crate) accepted: Option<u64>,
    /// All other subscribers have it.
    pub(crate) is_last: bool,
}

/// The counts of events that are no longer tracked.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Untracked {
    /// Deliveries that accepted events lack.
    pub(crate) missing: u64,
    /// Deliveries of events that were not accepted.
    pub(crate) unacknowledged: u64,
}

impl EventTracker {
    pub(crate) fn new(publishers: usize, topics: usize) -> Self {
        let most = (MAX_ENTRIES / publishers.max(1)).clamp(1, MAX_ENTRIES_OF_PUBLISHER);
        Self {
            publishers: (0..publishers).map(|_| OnceLock::new()).collect(),
            // A power of two saves a division for each delivery.
            entries_of_publisher: 1 << most.ilog2(),
            topics: (0..topics.max(1)).map(|_| Topic::default()).collect(),
        }
    }

    /// Publishers go through the topics in turn, each from another one.
    pub(crate) fn topic_of(&self, publisher: u16, sequence: u32) -> usize {
        match self.topics.len() {
            1 => 0,
            topics => (usize::from(publisher) + sequence as usize) % topics,
        }
    }

    /// The number of the event among those of its publisher and topic, from 1.
    pub(crate) fn number_in_topic(&self, sequence: u32) -> u32 {
        match self.topics.len() {
            1 => sequence + 1,
            topics => sequence / u32::try_from(topics).unwrap_or(u32::MAX) + 1,
        }
    }

    pub(crate) fn subscriber_opened(&self, topic: usize) {
        self.topics[topic].opened.fetch_add(1, Relaxed);
    }

    /// A subscriber was lost before the first event.
    pub(crate) fn subscriber_lost(&self, topic: usize) {
        self.topics[topic].opened.fetch_sub(1, Relaxed);
    }

    pub(crate) fn subscriber_cut(&self, topic: usize) {
        self.topics[topic].cut.fetch_add(1, Relaxed);
    }

    pub(crate) fn subscribers(&self) -> u64 {
        let topics = self.topics.iter();
        topics
            .map(|topic| u64::from(topic.opened.load(Relaxed)))
            .sum()
    }

    /// How many subscribers the event is for.
    pub(crate) fn subscribers_of(&self, publisher: u16, sequence: u32) -> u32 {
        let topic = &self.topics[self.topic_of(publisher, sequence)];
        topic.opened.load(Relaxed)
    }

    /// Tracks an event that is about to be published, in place of an older one, whose counts are returned.
    pub(crate) fn begin(&self, publisher: u16, sequence: u32, at: u64) -> Untracked {
        let entries = self.publishers[usize::from(publisher)].get_or_init(|| {
            (0..self.entries_of_publisher)
                .map(|_| Entry::default())
                .collect()
        });
        let entry = &entries[self.index_of(sequence)];
        let untracked = self.stop_tracking(publisher, entry);
        let topic = &self.topics[self.topic_of(publisher, sequence)];
        entry.begun.store(at, Relaxed);
        entry.responded.store(0, Relaxed);
        entry.unreachable.store(topic.cut.load(Relaxed), Relaxed);
        entry
            .pending
            .store(pack(sequence, topic.opened.load(Relaxed)), Relaxed);
        untracked
    }

    pub(crate) fn accepted(&self, publisher: u16, sequence: u32, at: u64) {
        if let Some(entry) = self.entry(publisher, sequence) {
            entry.responded.store(at, Relaxed);
        }
    }

    /// The event was rejected, or its outcome is unknown.
    pub(crate) fn not_accepted(&self, publisher: u16, sequence: u32) {
        self.accepted(publisher, sequence, NOT_ACCEPTED);
    }

    /// Counts one subscriber less; `None` where the event is no longer tracked.
    pub(crate) fn arrived(&self, publisher: u16, sequence: u32) -> Option<Arrival> {
        let entry = self.entry(publisher, sequence)?;
        let counted = entry.pending.fetch_update(Relaxed, Relaxed, |now| {
            let (of, left) = unpack(now);
            (of == sequence && left > 0).then(|| pack(of, left - 1))
        });
        let (_, left) = unpack(counted.ok()?);
        let responded = entry.responded.load(Relaxed);
        Some(Arrival {
            begun: entry.begun.load(Relaxed),
            accepted: (responded != 0 && responded != NOT_ACCEPTED).then_some(responded),
            is_last: left - 1 == entry.unreachable.load(Relaxed),
        })
    }

    /// The counts of all events that are still tracked, once nothing arrives any more.
    pub(crate) fn stop_tracking_all(&self) -> Untracked {
        let mut all = Untracked::default();
        for (publisher, entries) in (0..).zip(&self.publishers) {
            for entry in entries.get().into_iter().flatten() {
                all.add(self.stop_tracking(publisher, entry));
            }
        }
        all
    }

    fn index_of(&self, sequence: u32) -> usize {
        sequence as usize & (self.entries_of_publisher - 1)
    }

    fn entry(&self, publisher: u16, sequence: u32) -> Option<&Entry> {
        let entries = self.publishers.get(usize::from(publisher))?.get()?;
        entries.get(self.index_of(sequence))
    }

    fn stop_tracking(&self, publisher: u16, entry: &Entry) -> Untracked {
        let (sequence, left) = unpack(entry.pending.swap(0, Relaxed));
        if sequence == 0 {
            return Untracked::default();
        }
        let reached = self
            .subscribers_of(publisher, sequence)
            .saturating_sub(left);
        match entry.responded.load(Relaxed) {
            0 | NOT_ACCEPTED => Untracked {
                missing: 0,
                unacknowledged: reached.into(),
            },
            _ => Untracked {
                missing: left.into(),
                unacknowledged: 0,
            },
        }
    }
}

impl Untracked {
    pub(crate) fn add(&mut self, other: Self) {
        self.missing += other.missing;
        self.unacknowledged += other.unacknowledged;
    }
}

fn pack(sequence: u32, left: u32) -> u64 {
    u64::from(sequence) << 32 | u64::from(left)
}

fn unpack(pending: u64) -> (u32, u32) {
    let [a, b, c, d, left @ ..] = pending.to_be_bytes();
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes(left))
}
