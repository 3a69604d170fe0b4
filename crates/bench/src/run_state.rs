//! What the threads of one run share.

use std::{
    sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{event_tracker::EventTracker, marker::RunId, reasons::Reasons};

/// The stages of a run, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Stage {
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

/// Times are in nanoseconds since the run began.
#[derive(Debug)]
pub(crate) struct RunState {
    origin: Instant,
    stage: AtomicU8,
    pub(crate) run: RunId,
    pub(crate) tracker: EventTracker,
    /// The user has ended the run.
    pub(crate) is_stopped: AtomicBool,
    /// When the first event was published; 0 before that.
    pub(crate) started: AtomicU64,
    /// Subscribers that have opened, or failed to.
    pub(crate) tried: AtomicUsize,
    /// Streams that are open now.
    pub(crate) open: AtomicUsize,
    /// Open streams that have received an event of the warm-up.
    pub(crate) warm: AtomicUsize,
    /// Why subscribers could not be opened.
    pub(crate) not_opened: Mutex<Reasons>,
    /// Why streams were cut later.
    pub(crate) cut: Mutex<Reasons>,
    pub(crate) delivered: AtomicU64,
    /// Deliveries that the accepted events should make.
    pub(crate) expected: AtomicU64,
    /// The same, with events whose outcome is unknown.
    pub(crate) possible: AtomicU64,
    /// When something last came on any stream.
    pub(crate) last_read: AtomicU64,
    /// When an event of the run last came to a subscriber that did not have it yet.
    pub(crate) last_delivered: AtomicU64,
}

impl RunState {
    pub(crate) fn new(run: RunId, tracker: EventTracker) -> Self {
        Self {
            origin: Instant::now(),
            stage: AtomicU8::new(Stage::Opening as u8),
            run,
            tracker,
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
    pub(crate) fn now(&self) -> u64 {
        nanos(self.origin.elapsed())
    }

    pub(crate) fn stage(&self) -> Stage {
        STAGES[usize::from(self.stage.load(Relaxed))]
    }

    /// A stage is never left for an earlier one.
    pub(crate) fn enter(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Relaxed)
    }
}

pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
