//! What a stream is sent by the clock: pings while it is quiet, and the heartbeat that its client asked for.

use std::time::{Duration, Instant};

/// Most pings in a row as a comment: a client that takes a stream block by block keeps comments until a block
/// ends, and fails once that is longer than its buffer.
const MAX_COMMENTS_IN_A_ROW: u8 = 31;

/// What a ping is sent as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ping {
    Comment,
    /// A block, which ends what the client has kept of comments.
    Block,
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// Boxed, since few clients ask for it.
    heartbeat: Option<Box<Heartbeat>>,
    /// Polls since something was sent.
    quiet_polls: u16,
    comments_in_a_row: u8,
    is_ping_due: bool,
    is_heartbeat_due: bool,
}

#[derive(Debug)]
struct Heartbeat {
    every: Duration,
    due: Instant,
}

impl Timers {
    pub(crate) fn set_heartbeat(&mut self, every: Duration) {
        let due = Instant::now() + every;
        self.heartbeat = Some(Box::new(Heartbeat { every, due }));
    }

    /// Looks at the clock, as is done again at `next_poll`; whether something is due. A ping is after
    /// `polls_per_ping` polls at which nothing had been sent.
    pub(crate) fn poll(&mut self, polls_per_ping: u16, next_poll: Instant) -> bool {
        self.quiet_polls = self.quiet_polls.saturating_add(1);
        self.is_ping_due = self.quiet_polls >= polls_per_ping;
        let heartbeat = self.heartbeat.as_ref();
        self.is_heartbeat_due |= heartbeat.is_some_and(|heartbeat| heartbeat.due < next_poll);
        self.is_due()
    }

    pub(crate) fn is_due(&self) -> bool {
        self.is_ping_due || self.is_heartbeat_due
    }

    /// Whether a heartbeat is due, which counts as sent then.
    pub(crate) fn take_heartbeat(&mut self) -> bool {
        let is_due = std::mem::take(&mut self.is_heartbeat_due);
        if is_due {
            if let Some(heartbeat) = &mut self.heartbeat {
                heartbeat.due = Instant::now() + heartbeat.every;
            }
            self.sent_block();
        }
        is_due
    }

    /// The ping that is due, which counts as sent then.
    pub(crate) fn take_ping(&mut self) -> Option<Ping> {
        if !std::mem::take(&mut self.is_ping_due) {
            return None;
        }
        if self.comments_in_a_row >= MAX_COMMENTS_IN_A_ROW {
            self.sent_block();
            return Some(Ping::Block);
        }
        self.comments_in_a_row += 1;
        self.quiet_polls = 0;
        Some(Ping::Comment)
    }

    /// A block was sent, or several.
    pub(crate) fn sent_block(&mut self) {
        (self.quiet_polls, self.comments_in_a_row) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_stream_is_sent_comments_and_then_a_block_and_events_begin_the_count_anew() {
        let mut timers = Timers::default();
        let quiet = |timers: &mut Timers| {
            assert!(!timers.poll(2, Instant::now()) && timers.take_ping().is_none());
            assert!(timers.poll(2, Instant::now()));
            timers.take_ping()
        };
        for _ in 0..2 {
            for _ in 0..MAX_COMMENTS_IN_A_ROW {
                assert_eq!(quiet(&mut timers), Some(Ping::Comment));
            }
            assert_eq!(quiet(&mut timers), Some(Ping::Block));
        }
        assert_eq!(quiet(&mut timers), Some(Ping::Comment));
        timers.sent_block();
        for _ in 0..MAX_COMMENTS_IN_A_ROW {
            assert_eq!(quiet(&mut timers), Some(Ping::Comment));
        }
        assert_eq!(quiet(&mut timers), Some(Ping::Block));
    }

    #[test]
    fn a_heartbeat_is_due_once_before_the_poll_that_would_be_too_late_for_it() {
        let mut timers = Timers::default();
        let every = Duration::from_secs(60);
        assert!(!timers.poll(u16::MAX, Instant::now() + 2 * every));
        timers.set_heartbeat(every);
        assert!(!timers.poll(u16::MAX, Instant::now()) && !timers.take_heartbeat());
        assert!(timers.poll(u16::MAX, Instant::now() + 2 * every));
        assert!(timers.take_heartbeat() && !timers.take_heartbeat());
        assert!(!timers.is_due());
    }
}
