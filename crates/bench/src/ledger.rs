//! The newest events of each lane, shared by publishers and readers: how many subscribers each
//! has still to reach, when its publish began, and when the response came.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

/// Entries of all lanes together, and most of one lane. An event that so many of its lane have
/// overtaken is still counted, but no longer judged.
const MAX_ENTRIES: usize = 1 << 20;
const MAX_ENTRIES_OF_LANE: usize = 1 << 14;

/// In place of the time of a response, where the event was rejected, or its outcome is unknown.
const NOT_ACCEPTED: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct Ledger {
    lanes: Box<[OnceLock<Box<[Entry]>>]>,
    entries: usize,
    topics: Box<[Topic]>,
}

/// Those who subscribe to one topic.
#[derive(Debug, Default)]
struct Topic {
    /// When the first event was published, or before that, now.
    opened: AtomicU32,
    /// How many of them have been cut since.
    cut: AtomicU32,
}

#[derive(Debug, Default)]
struct Entry {
    /// The sequence above, the subscribers that it has still to reach below. Both in one word, so
    /// that who is late does not count down another event.
    standing: AtomicU64,
    begun: AtomicU64,
    /// 0 while there is no response.
    answered: AtomicU64,
    /// Those who were cut before it was begun.
    unreachable: AtomicU32,
}

/// What is known of an event at its arrival.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) begun: u64,
    /// When its publisher had the response.
    pub(super) answered: Option<u64>,
    /// All others have it.
    pub(super) is_last: bool,
}

/// What became of events that the ledger has let go of.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settled {
    /// Deliveries that acknowledged events lack.
    pub(super) lacking: u64,
    /// Deliveries of events that were not acknowledged.
    pub(super) unacknowledged: u64,
}

impl Ledger {
    pub(super) fn new(lanes: usize, topics: usize) -> Self {
        let of_lane = (MAX_ENTRIES / lanes.max(1)).clamp(1, MAX_ENTRIES_OF_LANE);
        Self {
            lanes: (0..lanes).map(|_| OnceLock::new()).collect(),
            // A power of two, and one division less for each delivery.
            entries: 1 << of_lane.ilog2(),
            topics: (0..topics.max(1)).map(|_| Topic::default()).collect(),
        }
    }

    /// Lanes go through the topics in turn, each from another one.
    pub(super) fn topic_of(&self, lane: u16, sequence: u32) -> usize {
        match self.topics.len() {
            1 => 0,
            topics => (usize::from(lane) + sequence as usize) % topics,
        }
    }

    /// The how manieth of its lane and topic an event is, from 1.
    pub(super) fn index_of(&self, sequence: u32) -> u32 {
        match self.topics.len() {
            1 => sequence + 1,
            topics => sequence / u32::try_from(topics).unwrap_or(u32::MAX) + 1,
        }
    }

    pub(super) fn opened(&self, topic: usize) {
        self.topics[topic].opened.fetch_add(1, Relaxed);
    }

    /// One that was lost before the first event.
    pub(super) fn not_opened(&self, topic: usize) {
        self.topics[topic].opened.fetch_sub(1, Relaxed);
    }

    pub(super) fn cut(&self, topic: usize) {
        self.topics[topic].cut.fetch_add(1, Relaxed);
    }

    pub(super) fn subscribers(&self) -> u64 {
        let topics = self.topics.iter();
        topics
            .map(|topic| u64::from(topic.opened.load(Relaxed)))
            .sum()
    }

    /// How many the event is for.
    pub(super) fn audience(&self, lane: u16, sequence: u32) -> u32 {
        let topic = &self.topics[self.topic_of(lane, sequence)];
        topic.opened.load(Relaxed)
    }

    /// An event is about to be published; returns what became of the one whose place it takes.
    pub(super) fn begin(&self, lane: u16, sequence: u32, at: u64) -> Settled {
        let entries = self.lanes[usize::from(lane)]
            .get_or_init(|| (0..self.entries).map(|_| Entry::default()).collect());
        let entry = &entries[sequence as usize & (self.entries - 1)];
        let settled = self.settle(lane, entry);
        let topic = &self.topics[self.topic_of(lane, sequence)];
        entry.begun.store(at, Relaxed);
        entry.answered.store(0, Relaxed);
        entry.unreachable.store(topic.cut.load(Relaxed), Relaxed);
        entry
            .standing
            .store(standing(sequence, topic.opened.load(Relaxed)), Relaxed);
        settled
    }

    pub(super) fn answered(&self, lane: u16, sequence: u32, at: u64) {
        if let Some(entry) = self.entry(lane, sequence) {
            entry.answered.store(at, Relaxed);
        }
    }

    pub(super) fn not_taken(&self, lane: u16, sequence: u32) {
        self.answered(lane, sequence, NOT_ACCEPTED);
    }

    /// Counts one subscriber less; none where the ledger has let go of the event.
    pub(super) fn arrived(&self, lane: u16, sequence: u32) -> Option<Arrival> {
        let entry = self.entry(lane, sequence)?;
        let counted = entry.standing.fetch_update(Relaxed, Relaxed, |now| {
            let (of, left) = parts(now);
            (of == sequence && left > 0).then(|| standing(of, left - 1))
        });
        let (_, left) = parts(counted.ok()?);
        let answered = entry.answered.load(Relaxed);
        Some(Arrival {
            begun: entry.begun.load(Relaxed),
            answered: (answered != 0 && answered != NOT_ACCEPTED).then_some(answered),
            is_last: left - 1 == entry.unreachable.load(Relaxed),
        })
    }

    /// What became of all events that it still holds; for when nothing comes any more.
    pub(super) fn settle_all(&self) -> Settled {
        let mut all = Settled::default();
        for (lane, entries) in (0..).zip(&self.lanes) {
            for entry in entries.get().into_iter().flatten() {
                all.add(self.settle(lane, entry));
            }
        }
        all
    }

    fn entry(&self, lane: u16, sequence: u32) -> Option<&Entry> {
        let entries = self.lanes.get(usize::from(lane))?.get()?;
        entries.get(sequence as usize & (self.entries - 1))
    }

    fn settle(&self, lane: u16, entry: &Entry) -> Settled {
        let (sequence, left) = parts(entry.standing.swap(0, Relaxed));
        if sequence == 0 {
            return Settled::default();
        }
        let reached = self.audience(lane, sequence).saturating_sub(left);
        match entry.answered.load(Relaxed) {
            0 | NOT_ACCEPTED => Settled {
                lacking: 0,
                unacknowledged: reached.into(),
            },
            _ => Settled {
                lacking: left.into(),
                unacknowledged: 0,
            },
        }
    }
}

impl Settled {
    pub(super) fn add(&mut self, other: Self) {
        self.lacking += other.lacking;
        self.unacknowledged += other.unacknowledged;
    }
}

fn standing(sequence: u32, left: u32) -> u64 {
    u64::from(sequence) << 32 | u64::from(left)
}

fn parts(standing: u64) -> (u32, u32) {
    let [a, b, c, d, left @ ..] = standing.to_be_bytes();
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes(left))
}
