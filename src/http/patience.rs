//! How long a stream's peer is waited for, on whichever kind of connection.

use std::{
    io,
    time::{Duration, Instant},
};

/// Most bytes that a client may send behind an open stream before it is cut.
const MAX_BEHIND_STREAM: usize = 64 << 10;
/// How long a reset waits at least: a peer that finds what was sent and the reset at one look may take
/// the latter for a clean end (libuv does).
pub(super) const RESET_GRACE: Duration = Duration::from_millis(50);
/// How long it waits at most for the peer to acknowledge what was sent.
const RESET_BOUND: Duration = Duration::from_secs(1);
/// How often that is looked at.
pub(super) const RESET_LOOK: Duration = Duration::from_millis(5);
/// Fewest bytes that a client takes of what is past in a stall timeout while others wait for room.
const LEAST_WHILE_HOLDING: u64 = 16 << 10;
/// Looks at a connection that takes nothing, per stall timeout.
const STALL_LOOKS: u32 = 4;

/// A write that waits for the socket to take something.
#[derive(Debug)]
pub(super) struct Stall {
    unacknowledged: u64,
    progress: Instant,
}

impl Stall {
    pub(super) fn begin(unacknowledged: u64) -> Self {
        Self {
            unacknowledged,
            progress: Instant::now(),
        }
    }

    /// How often it is to be looked at.
    pub(super) fn interval(timeout: Duration) -> Duration {
        timeout / STALL_LOOKS
    }

    /// A look: true once the peer has acknowledged nothing for the timeout.
    pub(super) fn is_over(&mut self, unacknowledged: u64, timeout: Duration) -> bool {
        if unacknowledged < self.unacknowledged {
            self.progress = Instant::now();
        }
        self.unacknowledged = unacknowledged;
        self.progress.elapsed() >= timeout
    }
}

/// How slowly a client may take what is past while others wait for room for it.
#[derive(Debug)]
pub(super) struct Hold {
    begun: Instant,
    /// Bytes with the kernel by then.
    written: u64,
}

impl Hold {
    pub(super) fn begin(written: u64) -> Self {
        Self {
            begun: Instant::now(),
            written,
        }
    }

    /// A look: true once so little has been written for the timeout that a socket which takes a byte now
    /// and then would hold its part of the budget forever.
    pub(super) fn is_over(&mut self, written: u64, timeout: Duration) -> bool {
        if written.saturating_sub(self.written) >= LEAST_WHILE_HOLDING {
            *self = Self::begin(written);
        }
        self.begun.elapsed() >= timeout
    }
}

/// A reset that waits for what was sent to arrive.
#[derive(Debug)]
pub(super) struct Reset {
    begun: Instant,
}

impl Reset {
    pub(super) fn begin() -> Self {
        Self {
            begun: Instant::now(),
        }
    }

    pub(super) fn is_due(&self, unacknowledged: u64) -> bool {
        let waited = self.begun.elapsed();
        waited >= RESET_BOUND || (waited >= RESET_GRACE && unacknowledged == 0)
    }
}

/// What a client has sent behind its open stream, and nobody reads.
#[derive(Debug, Default)]
pub(super) struct Discarded(u32);

impl Discarded {
    /// So much has come already.
    pub(super) fn of(bytes: usize) -> Self {
        Self(u32::try_from(bytes).unwrap_or(u32::MAX))
    }

    /// Fails once it is too much: whoever sends so much does not wait for events.
    pub(super) fn add(&mut self, bytes: usize) -> io::Result<()> {
        self.0 = self
            .0
            .saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if self.0 as usize > MAX_BEHIND_STREAM {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}
