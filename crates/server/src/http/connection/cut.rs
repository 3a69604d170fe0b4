//! How a stream is cut, so that its client sees an error and reconnects: by a broken chunk, or by a reset
//! where the response is not chunked.

use std::time::{Duration, Instant};

/// How long a reset waits at least: a peer that finds the last bytes and the reset in one read may take the
/// reset for a clean end (libuv does).
pub(crate) const GRACE: Duration = Duration::from_millis(50);
/// How long it waits at most for the peer to acknowledge what was sent.
const BOUND: Duration = Duration::from_secs(1);
/// How often that is checked.
pub(crate) const CHECK_INTERVAL: Duration = Duration::from_millis(5);

/// A reset that waits until the peer has acknowledged everything.
#[derive(Debug)]
pub(crate) struct Reset {
    begun: Instant,
}

impl Reset {
    pub(crate) fn begin() -> Self {
        Self {
            begun: Instant::now(),
        }
    }

    pub(crate) fn is_due(&self, unacknowledged: u64) -> bool {
        let waited = self.begun.elapsed();
        waited >= BOUND || (waited >= GRACE && unacknowledged == 0)
    }
}

/// A chunk that is announced with two bytes and has one, which cuts a stream in chunks. `WebKit` takes a
/// connection that ends between two chunks for a clean end, after which some clients do not reconnect. The byte
/// begins a comment, so that parsers that read it find nothing.
pub(crate) const BROKEN_CHUNK: &[u8] = b"2\r\n:";
