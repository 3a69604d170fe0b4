//! What the threads of one run share.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{ledger::Ledger, mark::RunId};

/// Different reasons that are kept apart.
const MAX_REASONS: usize = 8;
/// Of what a server says of itself.
const MAX_REASON_CHARS: usize = 300;

/// How far a run has come. It only goes on, never back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Stage {
    Opening,
    WarmUp,
    Publishing,
    /// Everything has been published; some of it may still be on its way.
    Waiting,
    Over,
}

const STAGES: [Stage; 5] = [
    Stage::Opening,
    Stage::WarmUp,
    Stage::Publishing,
    Stage::Waiting,
    Stage::Over,
];

#[derive(Debug)]
pub(super) struct Shared {
    origin: Instant,
    stage: AtomicU8,
    pub(super) run: RunId,
    pub(super) ledger: Ledger,
    /// The user wants no more.
    pub(super) is_stopped: AtomicBool,
    /// When the first event was published; 0 before that.
    pub(super) started: AtomicU64,
    /// Subscribers that were tried, and what became of them.
    pub(super) tried: AtomicUsize,
    /// Streams that are open now.
    pub(super) open: AtomicUsize,
    /// Of these, those that have got an event of the warm-up.
    pub(super) warm: AtomicUsize,
    /// Why subscribers could not be opened, and why streams were cut later.
    pub(super) not_opened: Mutex<Reasons>,
    pub(super) cut: Mutex<Reasons>,
    /// Figures while it runs.
    pub(super) delivered: AtomicU64,
    /// Deliveries that the acknowledged events make.
    pub(super) expected: AtomicU64,
    /// The same with events of which nobody knows whether they were taken.
    pub(super) possible: AtomicU64,
    /// When something last came on any stream.
    pub(super) last_read: AtomicU64,
    /// When one of the run's events last came to who did not have it yet.
    pub(super) last_delivered: AtomicU64,
}

impl Shared {
    pub(super) fn new(run: RunId, ledger: Ledger) -> Self {
        Self {
            origin: Instant::now(),
            stage: AtomicU8::new(Stage::Opening as u8),
            run,
            ledger,
            is_stopped: AtomicBool::new(false),
            started: AtomicU64::new(0),
            tried: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            warm: AtomicUsize::new(0),
            not_opened: Mutex::default(),
            cut: Mutex::default(),
            delivered: AtomicU64::new(0),
            expected: AtomicU64::new(0),
            possible: AtomicU64::new(0),
            last_read: AtomicU64::new(0),
            last_delivered: AtomicU64::new(0),
        }
    }

    /// Nanoseconds since the run began.
    pub(super) fn now(&self) -> u64 {
        nanos(self.origin.elapsed())
    }

    pub(super) fn stage(&self) -> Stage {
        STAGES[usize::from(self.stage.load(Relaxed))]
    }

    pub(super) fn enter(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Relaxed)
    }
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Why things did not work, and how often.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Reasons(BTreeMap<String, u64>);

impl Reasons {
    pub(super) fn add(&mut self, why: &str, count: u64) {
        if count == 0 {
            return;
        }
        let why = why.chars().take(MAX_REASON_CHARS);
        let why = why.map(|c| if c.is_control() { ' ' } else { c }).collect();
        if self.0.contains_key(&why) || self.0.len() < MAX_REASONS {
            *self.0.entry(why).or_default() += count;
        } else {
            *self.0.entry("other reasons".to_owned()).or_default() += count;
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// The most frequent first.
    pub(super) fn sorted(&self) -> Vec<(&str, u64)> {
        let mut all: Vec<_> = self.0.iter().map(|(why, count)| (&**why, *count)).collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_cannot_move_the_cursor_or_fill_the_screen() {
        let mut reasons = Reasons::default();
        reasons.add(&format!("\x1b[2J{}", "a".repeat(9_999)), 1);
        let expected = format!(" [2J{}", "a".repeat(MAX_REASON_CHARS - 4));
        assert_eq!(reasons.sorted(), [(&*expected, 1)]);
    }

    #[test]
    fn reasons_are_grouped_and_bounded_and_the_most_frequent_comes_first() {
        let mut reasons = Reasons::default();
        for number in 0..100 {
            reasons.add(&format!("reason {number}"), 1);
        }
        reasons.add("reason 7", 200);
        assert_eq!(reasons.count(), 300);
        let sorted = reasons.sorted();
        assert_eq!(sorted[0], ("reason 7", 201));
        assert_eq!(sorted[1], ("other reasons", 92));
        assert_eq!(sorted.len(), MAX_REASONS + 1);
    }
}
