//! How long a connection is served before others have their turn.

use std::time::Instant;

use super::limits::{BEGIN_AT_ONCE, SEND_AT_ONCE, TURN};

/// One poll of a connection.
#[derive(Debug)]
pub(super) struct Turn {
    begun: Instant,
    requests: usize,
    /// How many bytes were given to h2 since it had its last turn.
    unsent: usize,
}

impl Turn {
    pub(super) fn begin() -> Self {
        Self {
            begun: Instant::now(),
            requests: 0,
            unsent: 0,
        }
    }

    /// Whether another request may begin. Counts it.
    pub(super) fn may_begin(&mut self) -> bool {
        self.requests += 1;
        self.requests <= BEGIN_AT_ONCE
    }

    /// Whether further requests may have arrived, which begin in the next turn.
    pub(super) fn leaves_requests(&self) -> bool {
        self.requests > BEGIN_AT_ONCE
    }

    /// Whether the bytes so far should leave for the socket before there are more.
    pub(super) fn has_sent(&mut self, bytes: usize) -> bool {
        self.unsent += bytes;
        self.unsent >= SEND_AT_ONCE
    }

    pub(super) fn flush(&mut self) {
        self.unsent = 0;
    }

    pub(super) fn is_over(&self) -> bool {
        self.requests >= BEGIN_AT_ONCE || self.begun.elapsed() >= TURN
    }
}
