//! Waits between tries of what fails.

use std::time::Duration;

const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// Waits that double up to a bound, each with a random part, so that nodes do not come in step.
#[derive(Debug, Default)]
pub struct Backoff(u32);

impl Backoff {
    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        let most = LONGEST.min(SHORTEST * (1 << self.0.min(16)));
        self.0 += 1;
        most.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// Begins again with the shortest.
    pub fn reset(&mut self) {
        self.0 = 0;
    }
}
