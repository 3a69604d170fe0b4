//! Clients that read replayed events so slowly that they hold buffers for which others wait.

use std::time::{Duration, Instant};

/// What a client has to take of a replay within a stall timeout while others wait.
const LEAST_BYTES: u64 = 16 << 10;

/// How slowly a client takes replayed events while other replays wait for buffers.
#[derive(Debug)]
pub(crate) struct SlowReplay {
    begun: Instant,
    /// Bytes with the kernel by then.
    written: u64,
}

impl SlowReplay {
    pub(crate) fn begin(written: u64) -> Self {
        Self {
            begun: Instant::now(),
            written,
        }
    }

    /// A check: true once so little has been written for the timeout that a socket which takes a byte now
    /// and then would hold its part of the budget forever.
    pub(crate) fn is_over(&mut self, written: u64, timeout: Duration) -> bool {
        if written.saturating_sub(self.written) >= LEAST_BYTES {
            *self = Self::begin(written);
        }
        self.begun.elapsed() >= timeout
    }
}
