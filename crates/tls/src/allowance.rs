//! How many records without text a client may send.
//!
//! Some announce new keys, whose derivation costs as much as kilobytes of text; others are empty. rustls bounds either kind
//! while nothing else arrives, and a client that sends them in turns never comes to these bounds.

use std::time::{Duration, Instant};

/// Most of them at once.
pub(crate) const AT_ONCE: usize = 32;
/// How soon after another one may come, beyond those.
const EVERY: Duration = Duration::from_secs(1);

/// What a client has used of it.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    used: usize,
    since: Option<Instant>,
}

impl Allowance {
    /// Whether so many more are accepted at this time.
    pub(crate) fn take(&mut self, records: usize, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let passed = now.saturating_duration_since(since).as_secs() / EVERY.as_secs();
        if passed > 0 {
            self.used = self
                .used
                .saturating_sub(usize::try_from(passed).unwrap_or(AT_ONCE));
            self.since = Some(now);
        }
        self.used += records;
        self.used <= AT_ONCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_records_are_accepted_at_once_and_then_one_a_second() {
        let mut allowance = Allowance::default();
        let mut now = Instant::now();
        assert!(allowance.take(AT_ONCE - 1, now));
        assert!(allowance.take(1, now));
        for _ in 0..3 {
            now += EVERY;
            assert!(allowance.take(1, now));
        }
        now += EVERY / 2;
        assert!(!allowance.take(1, now));
        now += 100 * EVERY;
        assert!(!allowance.take(AT_ONCE + 1, now));
    }
}
