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
/// Over so many stall timeouts progress is judged: a peer that reads at 2 kB/s acknowledges in steps of
/// 64 to 128 KiB on loopback, so once a minute, and nothing in between tells it from one that has
/// stopped.
const STALL_PERIODS: u32 = 8;
/// What a peer has to acknowledge in that time, on average, so that one byte now and then does not
/// hold a connection for ever.
const LEAST_BYTES_PER_SECOND: u64 = 32;

/// After so many bytes the connection is looked at: whether the peer has acknowledged them.
const LOOK_AFTER_BYTES: u32 = 2 << 10;

/// How much was written since the last look at what the peer acknowledged. The kernel's buffers take a whole
/// event whose peer has no room for it, so that a socket that is never full does not tell.
#[derive(Debug, Default)]
pub(super) struct Unseen(u32);

impl Unseen {
    /// So much was written; true once it is time to look.
    pub(super) fn add(&mut self, bytes: usize) -> bool {
        self.0 = self
            .0
            .saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        let is_due = self.0 >= LOOK_AFTER_BYTES;
        if is_due {
            self.0 = 0;
        }
        is_due
    }
}

/// How a peer takes what it has not acknowledged yet. Meanwhile the kernel has to judge by no timeout of its
/// own: it counts a peer whose window was ever too small for what comes next as one without any room, however
/// steadily it reads.
#[derive(Debug)]
pub(super) struct Stall {
    unacknowledged: u64,
    /// Of `unacknowledged`, what was so at the last look.
    seen: u64,
    acknowledged: u64,
    since: Instant,
}

impl Stall {
    pub(super) fn begin(unacknowledged: u64) -> Self {
        Self {
            unacknowledged,
            seen: unacknowledged,
            acknowledged: 0,
            since: Instant::now(),
        }
    }

    /// Over which time progress is judged.
    fn period(timeout: Duration) -> Duration {
        timeout.saturating_mul(STALL_PERIODS)
    }

    /// More was written: it counts as not acknowledged from now on.
    pub(super) fn has_written(&mut self, bytes: usize) {
        self.unacknowledged += bytes as u64;
    }

    /// How often it is to be looked at.
    pub(super) fn interval(timeout: Duration) -> Duration {
        timeout / STALL_LOOKS
    }

    /// A look: true once the peer has acknowledged too little for a whole period.
    pub(super) fn is_over(&mut self, unacknowledged: u64, timeout: Duration) -> bool {
        self.is_over_at(Instant::now(), unacknowledged, timeout)
    }

    fn is_over_at(&mut self, now: Instant, unacknowledged: u64, timeout: Duration) -> bool {
        let acknowledged = self.unacknowledged.saturating_sub(unacknowledged);
        let has_taken_all = self.seen > 0 && acknowledged >= self.seen;
        self.acknowledged += acknowledged;
        (self.unacknowledged, self.seen) = (unacknowledged, unacknowledged);
        let period = Self::period(timeout);
        let least = (u128::from(LEAST_BYTES_PER_SECOND) * period.as_millis() / 1_000).max(1);
        if has_taken_all || u128::from(self.acknowledged) >= least {
            (self.acknowledged, self.since) = (0, now);
        }
        now.duration_since(self.since) >= period
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

/// What a stream in chunks is cut with: a chunk that is announced with two bytes and has one. `WebKit`
/// takes a connection that ends between two chunks for a clean end, after which some clients give up.
/// The byte begins a comment, so that parsers that read it find nothing.
pub(super) const BROKEN_CHUNK: &[u8] = b"2\r\n:";

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

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);
    const SENT: u64 = 1 << 20;

    /// When it is over for a peer that acknowledges `step` bytes every `every` seconds, within an hour.
    fn is_over_after(step: u64, every: u64) -> Option<u64> {
        let begun = Instant::now();
        let mut stall = Stall::begin(SENT);
        stall.since = begun;
        let mut left = SENT;
        (1..3600).find(|second| {
            if second % every == 0 {
                left -= step;
                // As much is written as was acknowledged.
                let over = stall.is_over_at(begun + Duration::from_secs(*second), left, TIMEOUT);
                stall.has_written(usize::try_from(step).unwrap());
                left += step;
                return over;
            }
            stall.is_over_at(begun + Duration::from_secs(*second), left, TIMEOUT)
        })
    }

    #[test]
    fn a_steady_slow_reader_whose_acknowledgements_come_in_steps_has_not_stalled() {
        for (step, every) in [
            (65_536, 32),
            (131_072, 64),
            (131_072, 128),
            (65_536, 200),
            (1_000, 10),
        ] {
            assert_eq!(is_over_after(step, every), None, "{step} every {every} s");
        }
    }

    #[test]
    fn one_that_takes_all_of_the_little_that_it_is_sent_has_not_stalled() {
        let begun = Instant::now();
        let mut stall = Stall::begin(7);
        for look in 1..1_000 {
            stall.has_written(7);
            assert!(!stall.is_over_at(begun + look * TIMEOUT / 4, 7, TIMEOUT));
        }
    }

    #[test]
    fn one_that_takes_nothing_or_a_byte_now_and_then_has_stalled_after_a_period() {
        for (step, every) in [(0, 1), (1, 20), (100, 20)] {
            assert_eq!(
                is_over_after(step, every),
                Some(8 * 30),
                "{step} every {every} s"
            );
        }
    }
}
