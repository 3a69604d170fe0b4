//! Times to the millisecond, as events have theirs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The end of the year 9999, the last that RFC 3339 can write.
const LATEST_MS: u64 = 253_402_300_799_999;

/// Milliseconds since the Unix epoch.
#[must_use]
pub fn now_ms() -> u64 {
    unix_ms(SystemTime::now())
}

/// The time in milliseconds since the Unix epoch, rounded down; 0 before it.
#[must_use]
pub fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    whole_ms(since)
}

/// The duration in milliseconds, rounded down.
#[must_use]
pub fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The time so many milliseconds after the Unix epoch.
#[must_use]
pub fn from_unix_ms(ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(ms)
}

/// As RFC 3339 writes it, with milliseconds. A time that has no such text is shown as the nearest one that has.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let time = from_unix_ms(unix_ms(time).min(LATEST_MS));
    humantime::format_rfc3339_millis(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_down_to_the_millisecond_and_read_back() {
        let time = UNIX_EPOCH + Duration::from_micros(1_234_999);
        assert_eq!(unix_ms(time), 1_234);
        assert_eq!(unix_ms(from_unix_ms(1_234)), 1_234);
        assert_eq!(unix_ms(UNIX_EPOCH - Duration::from_secs(1)), 0);
    }

    #[test]
    fn times_that_rfc_3339_cannot_write_are_shown_as_the_nearest_that_it_can() {
        assert_eq!(
            rfc3339(UNIX_EPOCH - Duration::from_secs(1)),
            "1970-01-01T00:00:00.000Z"
        );
        assert_eq!(rfc3339(from_unix_ms(u64::MAX)), "9999-12-31T23:59:59.999Z");
    }
}
