//! Stalled peers: those that acknowledge almost nothing for too long.

use std::time::{Duration, Instant};

/// Checks of a connection per stall timeout.
const STALL_CHECKS: u32 = 4;
/// Progress is measured over this many stall timeouts: on loopback a peer that reads 2 kB/s acknowledges in
/// steps of 64 to 128 KiB, about once a minute, and cannot be distinguished from a stalled one in between.
const STALL_PERIODS: u32 = 8;
/// What a peer must acknowledge in that time on average, so that a byte now and then does not hold a connection
/// for ever.
const LEAST_BYTES_PER_SECOND: u64 = 32;

/// After this many written bytes it is checked whether the peer has acknowledged them.
const CHECK_AFTER_BYTES: u32 = 2 << 10;

/// How many bytes were written since the last check. The kernel's buffers accept a whole event even if the peer
/// has no room for it, so that a stall does not always show as a full socket.
#[derive(Debug, Default)]
pub(crate) struct UncheckedBytes(u32);

impl UncheckedBytes {
    /// Counts written bytes. True when a check is due.
    pub(crate) fn add(&mut self, bytes: usize) -> bool {
        self.0 = self
            .0
            .saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        let is_due = self.0 >= CHECK_AFTER_BYTES;
        if is_due {
            self.0 = 0;
        }
        is_due
    }
}

/// The progress of a peer that has bytes to acknowledge. Meanwhile the kernel must not apply its own timeout:
/// for the kernel, a peer whose window is always too small for the next segment has no room at all, however
/// steadily it reads.
#[derive(Debug)]
pub(crate) struct Stall {
    unacknowledged: u64,
    /// The value of `unacknowledged` at the last check.
    seen: u64,
    acknowledged: u64,
    since: Instant,
}

impl Stall {
    pub(crate) fn begin(unacknowledged: u64) -> Self {
        Self {
            unacknowledged,
            seen: unacknowledged,
            acknowledged: 0,
            since: Instant::now(),
        }
    }

    /// The time over which progress is measured.
    fn period(timeout: Duration) -> Duration {
        timeout.saturating_mul(STALL_PERIODS)
    }

    /// Counts written bytes as not acknowledged.
    pub(crate) fn has_written(&mut self, bytes: usize) {
        self.unacknowledged += bytes as u64;
    }

    /// The interval of checks.
    pub(crate) fn interval(timeout: Duration) -> Duration {
        timeout / STALL_CHECKS
    }

    /// The check at an interval: true once the peer has acknowledged too little for a whole period.
    pub(crate) fn is_over(&mut self, unacknowledged: u64, timeout: Duration) -> bool {
        self.is_over_at(Instant::now(), unacknowledged, timeout)
    }

    fn is_over_at(&mut self, now: Instant, unacknowledged: u64, timeout: Duration) -> bool {
        let acknowledged = self.unacknowledged.saturating_sub(unacknowledged);
        let has_acknowledged_all = self.seen > 0 && acknowledged >= self.seen;
        self.acknowledged += acknowledged;
        (self.unacknowledged, self.seen) = (unacknowledged, unacknowledged);
        let period = Self::period(timeout);
        let least = (u128::from(LEAST_BYTES_PER_SECOND) * period.as_millis() / 1_000).max(1);
        if has_acknowledged_all || u128::from(self.acknowledged) >= least {
            (self.acknowledged, self.since) = (0, now);
        }
        now.duration_since(self.since) >= period
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
    fn a_peer_that_acknowledges_all_of_the_little_that_it_is_sent_has_not_stalled() {
        let begun = Instant::now();
        let mut stall = Stall::begin(7);
        for check in 1..1_000 {
            stall.has_written(7);
            assert!(!stall.is_over_at(begun + check * TIMEOUT / 4, 7, TIMEOUT));
        }
    }

    #[test]
    fn a_peer_that_acknowledges_nothing_or_a_byte_now_and_then_has_stalled_after_a_period() {
        for (step, every) in [(0, 1), (1, 20), (100, 20)] {
            assert_eq!(
                is_over_after(step, every),
                Some(8 * 30),
                "{step} every {every} s"
            );
        }
    }
}
