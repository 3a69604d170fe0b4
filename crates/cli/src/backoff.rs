//! When to open a stream again.

use std::time::Duration;

/// The reconnection time until the server sets one.
const RETRY: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const SHORTEST_PAUSE_AFTER_A_FAILURE: Duration = Duration::from_millis(500);

/// The pause before the next attempt: the reconnection time of the server, doubled after each failure up to a
/// bound, with a random part so that not all clients reconnect at once.
#[derive(Debug)]
pub(crate) struct Backoff {
    retry: Duration,
    /// Failures in a row since the server last set a reconnection time.
    failures: u32,
    /// The `Retry-After` of the last rejection.
    shortest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            retry: RETRY,
            failures: 0,
            shortest: Duration::ZERO,
        }
    }
}

impl Backoff {
    /// The server has set the reconnection time.
    pub(crate) fn set_retry(&mut self, retry: Duration) {
        self.retry = retry;
        self.failures = 0;
    }

    /// The server has rejected a request with `Retry-After`.
    pub(crate) fn set_shortest(&mut self, shortest: Duration) {
        self.shortest = shortest;
    }

    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
        self.shortest = Duration::ZERO;
    }

    pub(crate) fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// How long to wait. `chance` is a random number from 0 to 1.
    pub(crate) fn pause(&self, chance: f64) -> Duration {
        if self.failures == 0 {
            return self.retry;
        }
        let base = self.retry.max(SHORTEST_PAUSE_AFTER_A_FAILURE);
        let longest = base.saturating_mul(1 << self.failures.min(16));
        let longest = longest.min(LONGEST_PAUSE);
        let pause = longest.mul_f64(0.5 + chance / 2.0);
        pause.max(self.retry).max(self.shortest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(retry: Duration, failures: u32, chance: f64) -> Duration {
        let shortest = Duration::ZERO;
        Backoff {
            retry,
            failures,
            shortest,
        }
        .pause(chance)
    }

    #[test]
    fn after_a_cut_the_pause_is_the_reconnection_time() {
        let retry = Duration::from_millis(70);
        assert_eq!(pause(retry, 0, 0.9), retry);
        assert_eq!(pause(Duration::ZERO, 0, 0.9), Duration::ZERO);
    }

    #[test]
    fn each_failure_doubles_the_pause_up_to_half_a_minute() {
        let retry = Duration::from_secs(1);
        let longest = |failures| pause(retry, failures, 1.0).as_secs();
        assert_eq!([1, 2, 3, 4, 5, 1000].map(longest), [2, 4, 8, 16, 30, 30]);
        assert_eq!(pause(retry, 3, 0.0), Duration::from_secs(4));
    }

    #[test]
    fn a_pause_is_never_shorter_than_the_reconnection_time() {
        let retry = Duration::from_secs(3600);
        assert_eq!(pause(retry, 3, 0.0), retry);
        assert!(pause(Duration::ZERO, 1, 0.0) >= Duration::from_millis(500));
    }

    #[test]
    fn a_success_resets_the_count_of_failures() {
        let mut backoff = Backoff::default();
        backoff.failed();
        backoff.failed();
        assert!(backoff.pause(1.0) > RETRY);
        backoff.succeeded();
        assert_eq!(backoff.pause(1.0), RETRY);
    }

    #[test]
    fn a_reconnection_time_from_the_server_resets_the_count_of_failures() {
        let mut backoff = Backoff::default();
        backoff.failed();
        backoff.set_retry(Duration::from_secs(40));
        assert_eq!(backoff.pause(1.0), Duration::from_secs(40));
    }
}
