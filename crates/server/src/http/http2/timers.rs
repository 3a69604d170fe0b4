//! What a connection waits for beside its socket and its streams.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::time::{Sleep, sleep_until};

use super::limits::CLOSE_WITHIN;
use crate::http::{
    connection::{cut, stall::Stall},
    direct::inbox::Slot,
};

/// When a connection is checked again.
pub(super) struct Timers {
    sleep: Pin<Box<Sleep>>,
    stall_timeout: Duration,
    /// When streams are cut whose last bytes were given to h2 a while before.
    cuts: VecDeque<(Instant, Slot)>,
    /// When the peer's progress is checked.
    check: Option<Instant>,
    /// When it is checked that the client is still there.
    silence: Instant,
    /// When the connection has been idle for too long.
    idle: Option<Instant>,
    /// When a head must be complete.
    head: Option<Instant>,
    /// When the connection is dropped.
    close: Option<Instant>,
}

impl Timers {
    pub(super) fn new(stall_timeout: Duration) -> Self {
        let silence = Instant::now() + stall_timeout;
        Self {
            sleep: Box::pin(sleep_until(silence.into())),
            stall_timeout,
            cuts: VecDeque::new(),
            check: None,
            silence,
            idle: None,
            head: None,
            close: None,
        }
    }

    /// Cuts a stream once the client may be expected to have read the last bytes: some do not find bytes that come
    /// together with a reset.
    pub(super) fn cut(&mut self, slot: Slot) {
        self.cuts.push_back((Instant::now() + cut::GRACE, slot));
    }

    /// A stream that is to be cut now.
    pub(super) fn take_cut(&mut self, now: Instant) -> Option<Slot> {
        let is_due = self.cuts.front().is_some_and(|(at, _)| *at <= now);
        let due = is_due.then(|| self.cuts.pop_front());
        due.flatten().map(|(_, slot)| slot)
    }

    /// Checks the peer's progress after an interval, unless that is scheduled.
    pub(super) fn schedule_check(&mut self) {
        let next = || Instant::now() + Stall::interval(self.stall_timeout);
        self.check.get_or_insert_with(next);
    }

    /// Whether the peer's progress is to be checked now.
    pub(super) fn takes_check(&mut self, now: Instant) -> bool {
        self.check.take_if(|at| *at <= now).is_some()
    }

    /// Whether the client may have vanished: it was last heard of at `last`. `None` if it is not to be checked now.
    pub(super) fn is_silent(&mut self, now: Instant, last: Instant) -> Option<bool> {
        if self.silence > now {
            return None;
        }
        let heard = last + self.stall_timeout;
        let is_silent = heard <= now;
        self.silence = if is_silent {
            now + self.stall_timeout
        } else {
            heard
        };
        Some(is_silent)
    }

    pub(super) fn set_idle(&mut self, idle: Option<Instant>) {
        self.idle = idle;
    }

    pub(super) fn is_idle_for_too_long(&self, now: Instant) -> bool {
        self.idle.is_some_and(|at| at <= now)
    }

    pub(super) fn set_head(&mut self, head: Option<Instant>) {
        self.head = head;
    }

    pub(super) fn is_head_late(&self, now: Instant) -> bool {
        self.head.is_some_and(|at| at <= now)
    }

    /// Drops the connection after a while, unless that is scheduled.
    pub(super) fn close(&mut self) {
        self.close
            .get_or_insert_with(|| Instant::now() + CLOSE_WITHIN);
    }

    pub(super) fn is_closed(&self, now: Instant) -> bool {
        self.close.is_some_and(|at| at <= now)
    }

    /// Ready when something is due. While the socket is full no stream is cut.
    pub(super) fn poll(&mut self, is_full: bool, cx: &mut Context<'_>) -> Poll<()> {
        let cut = self.cuts.front().filter(|_| !is_full).map(|(at, _)| *at);
        let all = [cut, self.check, self.idle, self.head, self.close];
        let next = all.into_iter().flatten().fold(self.silence, Instant::min);
        if self.sleep.deadline() != next.into() {
            self.sleep.as_mut().reset(next.into());
        }
        self.sleep.as_mut().poll(cx)
    }
}
