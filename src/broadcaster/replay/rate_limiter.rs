//! How fast one stream is given what is past, so that bulk readers leave the sockets to live events.

use std::time::{Duration, Instant};

/// What a stream may be given at once: resumes of the usual size are not held back.
const BURST_BYTES: u64 = 1 << 20;

/// Bytes per second with a burst. Zero is no bound.
#[derive(Debug)]
pub(in crate::broadcaster) struct RateLimiter {
    bytes_per_second: u64,
    /// When all that was given would have been given at the pace.
    paid: Instant,
}

impl RateLimiter {
    pub(in crate::broadcaster) fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second,
            paid: Instant::now(),
        }
    }

    pub(in crate::broadcaster) fn spend(&mut self, bytes: usize, now: Instant) {
        if self.bytes_per_second > 0 {
            self.paid = self.paid.max(now) + self.time_of(bytes as u64);
        }
    }

    /// Until when the next is to wait.
    pub(in crate::broadcaster) fn wait(&self, now: Instant) -> Option<Instant> {
        if self.bytes_per_second == 0 {
            return None;
        }
        let next = self.paid.checked_sub(self.time_of(BURST_BYTES))?;
        (next > now).then_some(next)
    }

    /// Whether it is as one that has given nothing yet.
    pub(in crate::broadcaster) fn is_paid(&self, now: Instant) -> bool {
        self.paid <= now
    }

    fn time_of(&self, bytes: u64) -> Duration {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_what_follows_at_the_pace() {
        let mut pace = RateLimiter::new(1 << 20);
        let now = Instant::now();
        pace.spend(1 << 20, now);
        assert_eq!(pace.wait(now), None);
        pace.spend(1 << 20, now);
        let wait = pace.wait(now).unwrap() - now;
        assert!(
            wait.as_secs_f64() > 0.99 && wait.as_secs_f64() <= 1.01,
            "{wait:?}"
        );
        assert_eq!(pace.wait(now + wait), None);
    }

    #[test]
    fn without_a_pace_nothing_waits() {
        let mut pace = RateLimiter::new(0);
        pace.spend(usize::MAX, Instant::now());
        assert_eq!(pace.wait(Instant::now()), None);
    }
}
