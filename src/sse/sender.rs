//! The broadcaster's end of a stream, of which each shard holds those that it serves.

use std::{
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

use crate::event::{EventId, Selector};

/// The broadcaster's end of one stream: what it asked for, and the place in the log that it is at.
/// Nothing else is kept for a subscriber; no queue.
#[derive(Debug)]
pub struct Sender {
    pub(crate) selector: Arc<Selector>,
    /// The log that the cursor is a place in.
    pub(crate) epoch: u64,
    pub(crate) cursor: Cursor,
    /// The last id that the client was sent: where it resumes if its stream is cut now.
    pub(crate) last_sent: EventId,
    pub(crate) due: Due,
    pub(crate) mark: Option<Mark>,
    /// Boxed, since few streams ask for it.
    pub(crate) heartbeat: Option<Box<Heartbeat>>,
    /// Counted among those that are behind: a walk found it still unpolled.
    pub(crate) behind: bool,
    /// Looks since something was sent.
    pub(crate) quiet: u16,
    /// Pings since a block was sent.
    pub(crate) pings: u8,
    waker: Option<Waker>,
}

/// Where a sender is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cursor {
    /// Its history has not been looked up yet: it is not live, and not behind anything known.
    Opening,
    /// At its shard's cursor; this is how far it had come itself when it got there.
    Live(EventId),
    /// Before it: it was woken, or its socket is full, or it replays.
    At(EventId),
}

/// What a sender is owed beside events, once it has been polled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Due {
    pub(crate) ping: bool,
    pub(crate) heartbeat: bool,
    pub(crate) gap: Option<EpochGap>,
}

/// The visible heartbeat that a client asked for.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    pub(crate) every: Duration,
    pub(crate) due: Instant,
}

/// History went on under another epoch: what was sent before is lost, and `at` is where it goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EpochGap {
    pub(crate) at: EventId,
}

/// How a sender ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// What is due, then this reconnection time, then the cut. Past its shard's deadline without what
    /// is due.
    Drain { retry_ms: u32 },
    /// The grant is over: cut at once.
    Expired,
    /// The stream is gone; the place is swept once no walk can visit it.
    Gone,
}

impl Sender {
    pub(crate) fn new(
        selector: Arc<Selector>,
        epoch: u64,
        cursor: Cursor,
        last_sent: EventId,
    ) -> Self {
        Self {
            selector,
            epoch,
            cursor,
            last_sent,
            due: Due::default(),
            mark: None,
            heartbeat: None,
            behind: false,
            quiet: 0,
            pings: 0,
            waker: None,
        }
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.mark == Some(Mark::Gone)
    }

    /// Tells the stream that something after `from` is due to it. A stream that is polled takes
    /// nothing by itself: being unpolled is its "full", so its cursor stays behind until it has been.
    pub(crate) fn offer(&mut self, from: EventId) -> Option<Waker> {
        self.cursor = Cursor::At(from);
        self.waker.take()
    }

    /// To be woken outside of the shard's lock: a wake may drop the task, and its subscription with it.
    pub(crate) fn wake(&mut self) -> Option<Waker> {
        self.waker.take()
    }

    /// Registers who polls; the waker that it replaces is for the caller to drop outside of the lock.
    pub(crate) fn register(&mut self, waker: &Waker) -> Option<Waker> {
        match &self.waker {
            Some(registered) if registered.will_wake(waker) => None,
            _ => self.waker.replace(waker.clone()),
        }
    }
}
