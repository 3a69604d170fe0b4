//! What senders are due by the clock, and the end of all streams.

use std::time::{Duration, Instant};

use super::{Shard, sender_indexes::SenderIndex};
use crate::{
    broadcaster::polls::Polls,
    event::EventId,
    sse::{Cursor, Ending},
};

impl Shard {
    /// Has the stream sent a visible heartbeat every so often.
    pub(in crate::broadcaster) fn set_heartbeat(&self, index: SenderIndex, every: Duration) {
        self.senders.lock()[index].timers.set_heartbeat(every);
    }

    /// Wakes those to which a ping or a heartbeat falls due and those whose grant ends, and frees the indexes of
    /// those that are gone.
    pub(in crate::broadcaster) fn prune_stale(&self, now: Instant, polls: Polls) {
        let next_poll = now + polls.every;
        self.each(|sender| {
            if sender.selector.is_revoked() {
                sender.ending = Some(Ending::Expired);
            }
            let is_due = sender.timers.poll(polls.per_ping, next_poll);
            let is_expiring = sender.poll_expiry(next_poll);
            is_due || is_expiring || sender.ending.is_some()
        });
        let (overdue, selectors) = {
            let mut senders = self.senders.lock();
            let state = &mut *self.state.lock();
            if state.is_walking {
                return;
            }
            let selectors = state.sweep(&mut senders);
            (state.positions.waited(state.position), selectors)
        };
        drop(selectors);
        if let Some(overdue) = overdue {
            self.wake_overdue(overdue);
        }
    }

    /// Wakes the live streams that were sent nothing after `overdue`: a position is due to them.
    pub(super) fn wake_overdue(&self, overdue: EventId) {
        self.each(|sender| matches!(sender.cursor, Cursor::Live(_)) && sender.last_sent <= overdue);
    }

    /// Has every stream end, each with a reconnection time of its own.
    pub(in crate::broadcaster) fn drain(&self, retry: impl Fn() -> Duration, deadline: Instant) {
        {
            let _senders = self.senders.lock();
            self.state.lock().drain_deadline = Some(deadline);
        }
        self.each(|sender| {
            let retry_ms = u32::try_from(retry().as_millis()).unwrap_or(u32::MAX);
            sender.ending.get_or_insert(Ending::Drain { retry_ms });
            true
        });
    }

    /// Wakes every stream, for instance because a deadline has passed.
    pub(in crate::broadcaster) fn wake_all(&self) {
        self.each(|_| true);
    }
}
