//! The broadcaster's end of a stream, of which each shard holds those that it serves.

use std::{
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

use super::{expiry::Expiry, timers::Timers};
use crate::event::{EventId, Selector};

/// The broadcaster's end of one stream: what it asked for, and its cursor in the log. Nothing else is kept for
/// a subscriber; no queue.
#[derive(Debug)]
pub struct Sender {
    pub(crate) selector: Arc<Selector>,
    /// The log that the cursor is a position in.
    pub(crate) epoch: u64,
    pub(crate) cursor: Cursor,
    /// The last id that the client was sent: where it resumes if its stream is cut now.
    pub(crate) last_sent: EventId,
    /// History went on under another epoch: what was sent before is lost, and this is where it goes on.
    /// Boxed, since it is rare.
    pub(crate) gap: Option<Box<EventId>>,
    pub(crate) ending: Option<Ending>,
    pub(crate) timers: Timers,
    /// When it ends, where its selector has a deadline.
    pub(crate) expiry: Expiry,
    /// Counted among those that lag: a walk found it still unpolled.
    pub(crate) is_lagging: bool,
    waker: Option<Waker>,
}

/// Where a sender is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cursor {
    /// Where its stream begins has not been looked up yet.
    Opening,
    /// At its shard's position. Everything up to this one was sent, or not asked for, when it got there.
    Live(EventId),
    /// Before its shard's position: it was woken for what comes after this one, or its socket is full, or it
    /// replays.
    Due(EventId),
}

/// How a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// What is due, then this reconnection time, then the cut. Past its shard's deadline without what
    /// is due.
    Drain { retry_ms: u32 },
    /// The grant is over: cut at once.
    Expired,
    /// An operator ends it: this reconnection time, then the cut, at once.
    Disconnect { retry_ms: u32 },
    /// The stream was dropped; its index is free once no walk can visit it.
    Gone,
}

impl Sender {
    pub(crate) fn new(
        selector: Arc<Selector>,
        epoch: u64,
        cursor: Cursor,
        last_sent: EventId,
    ) -> Self {
        let deadline = selector.deadline();
        let expiry = deadline.map(|deadline| Expiry::of(deadline, Instant::now()));
        Self {
            selector,
            epoch,
            cursor,
            last_sent,
            gap: None,
            ending: None,
            timers: Timers::default(),
            expiry: expiry.unwrap_or_default(),
            is_lagging: false,
            waker: None,
        }
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.ending == Some(Ending::Gone)
    }

    /// Whether nothing is due to it beside events. A `position` wakes it when it falls due.
    pub(crate) fn is_settled(&self) -> bool {
        matches!(self.cursor, Cursor::Live(_))
            && self.ending.is_none()
            && self.gap.is_none()
            && !self.timers.is_due()
            && !self.expiry.is_due()
    }

    /// Looks at the clock, which shows `next_poll` when that is done again: the stream is to end no later than its
    /// grant. Whether its client is to be sent that it will.
    pub(crate) fn poll_expiry(&mut self, next_poll: Instant) -> bool {
        let Some(deadline) = self.selector.deadline() else {
            return false;
        };
        if self.expiry.has_ended(deadline, next_poll) {
            self.ending = Some(Ending::Expired);
        }
        self.expiry.poll(deadline, next_poll)
    }

    /// How long the stream still lasts, if its client is to be sent that now, which counts as sent then.
    pub(crate) fn take_expiring(&mut self) -> Option<Duration> {
        if !self.expiry.is_due() {
            return None;
        }
        let deadline = self.selector.deadline()?;
        self.timers.sent_block();
        self.expiry.take(deadline, Instant::now())
    }

    /// Has its stream begin in this epoch, the one that history was read in; but where that had been replaced
    /// before a walk announced another, the gap to that one stands.
    pub(crate) fn begin_in(&mut self, epoch: u64, current: u64) {
        match &self.gap {
            Some(at) if ![self.epoch, current].contains(&epoch) => self.cursor = Cursor::Due(**at),
            _ => {
                self.epoch = epoch;
                self.gap = None;
            }
        }
    }

    /// Wakes the stream for what comes after `from`. A stream takes nothing by itself: until it is polled,
    /// which a full socket prevents, its cursor stays where it is.
    pub(crate) fn offer(&mut self, from: EventId) -> Option<Waker> {
        self.cursor = Cursor::Due(from);
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
