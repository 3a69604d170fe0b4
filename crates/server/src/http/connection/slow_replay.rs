//! Clients that read replayed events so slowly that they hold buffers for which others wait.

use std::time::{Duration, Instant};

/// How many bytes of a replay a client must read within a stall timeout while others wait.
const LEAST_BYTES: u64 = 16 << 10;

/// Measures how fast a client reads replayed events.
#[derive(Debug)]
pub(crate) struct SlowReplay {
    begun: Instant,
    /// Bytes written by then.
    written: u64,
}

impl SlowReplay {
    pub(crate) fn begin(written: u64) -> Self {
        Self {
            begun: Instant::now(),
            written,
        }
    }

    /// True once too little has been written for the timeout. A client that reads a byte now and then would hold its
    /// buffers for ever.
    pub(crate) fn is_over(&mut self, written: u64, timeout: Duration) -> bool {
        if written.saturating_sub(self.written) >= LEAST_BYTES {
            *self = Self::begin(written);
        }
        self.begun.elapsed() >= timeout
    }
}
