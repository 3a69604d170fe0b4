//! When a certificate is renewed, and when a failed order is repeated.

use std::time::{Duration, SystemTime};

/// After the first failure. With the factor below, there are four attempts in the first hour: authorities allow about
/// five that fail.
const FIRST_DELAY: Duration = Duration::from_secs(2 * 60);
/// Each further delay is so many times as long.
const FACTOR: u32 = 3;
/// Longest delay that does not come from the authority.
const LONGEST_DELAY: Duration = Duration::from_secs(6 * 3_600);
/// Longest delay of all: what authorities ask for counts up to here.
pub const MAX_DELAY: Duration = crate::http::MAX_RETRY_AFTER;

/// When to renew a certificate of this validity: after two thirds of it, and up to a thirtieth later, by `jitter`, from 0
/// to 1, so that servers that were started together do not order together.
#[must_use]
pub fn renewal(valid_from: SystemTime, valid_until: SystemTime, jitter: f64) -> SystemTime {
    let lifetime = valid_until
        .duration_since(valid_from)
        .unwrap_or(Duration::ZERO);
    let share = 2.0 / 3.0 + jitter.clamp(0.0, 1.0) / 30.0;
    valid_from
        .checked_add(lifetime.mul_f64(share))
        .unwrap_or(valid_from)
}

/// How long to wait after so many failures in a row: 2 minutes, then three times as long each time, up to 6 hours; up to
/// a quarter more by `jitter`, from 0 to 1; and as long as the authority asks for, up to a day.
#[must_use]
pub fn retry_delay(failures: u32, retry_after: Option<Duration>, jitter: f64) -> Duration {
    let factor = FACTOR.saturating_pow(failures.saturating_sub(1));
    let delay = FIRST_DELAY.saturating_mul(factor).min(LONGEST_DELAY);
    let delay = delay.mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 4.0);
    delay.max(retry_after.unwrap_or_default()).min(MAX_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_after_two_thirds_of_its_lifetime_and_up_to_a_thirtieth_later() {
        const DAY: Duration = Duration::from_secs(86_400);
        let from = SystemTime::UNIX_EPOCH + DAY * 20_000;
        assert_eq!(renewal(from, from + DAY * 90, 0.0), from + DAY * 60);
        let late = renewal(from, from + DAY * 90, 1.0);
        assert!(late > from + DAY * 62 && late <= from + DAY * 63);
        assert_eq!(renewal(from, from - DAY, 0.5), from);
    }

    #[test]
    fn delays_grow_up_to_six_hours_and_are_as_long_as_the_authority_asks_up_to_a_day() {
        let minutes = |failures| retry_delay(failures, None, 0.0).as_secs() / 60;
        assert_eq!([1, 2, 3, 4, 5, 6].map(minutes), [2, 6, 18, 54, 162, 360]);
        assert_eq!(minutes(u32::MAX), 360);
        let asked = |seconds| retry_delay(1, Some(Duration::from_secs(seconds)), 0.0).as_secs();
        assert_eq!([1, 3_600, u64::MAX].map(asked), [120, 3_600, 86_400]);
        assert_eq!(retry_delay(1, None, 1.0).as_secs(), 150);
    }
}
