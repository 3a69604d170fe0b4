//! The parameter `since` of a stream: an age, a time, an event id, or `earliest`.

use super::time;
use sse_broadcaster::{
    broadcaster::Start,
    event::{EventId, Invalid},
    internal::{Shown, from_unix_ms},
};

/// Bare numbers from here on are seconds of the Unix epoch (March 1973). A smaller one is more likely
/// an age whose unit was forgotten.
const FIRST_SECOND: u64 = 100_000_000;
/// From here on they are milliseconds: March 1973, and as seconds the year 5138.
const FIRST_MILLISECOND: u64 = 100_000_000_000;
/// From here on they could only be microseconds or nanoseconds, which are not accepted.
const FIRST_MICROSECOND: u64 = 100_000_000_000_000;

/// Parses the value. Times are rounded down to the millisecond, the unit of the times of events, so that none
/// is skipped.
pub(super) fn read(text: &str) -> Result<Start, Invalid> {
    let text = text.trim();
    if text == "earliest" {
        return Ok(Start::Earliest);
    }
    if text.parse::<EventId>().is_ok() {
        return Ok(Start::After(text.to_owned()));
    }
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return epoch(text).map(since);
    }
    if let Ok(ago) = humantime::parse_duration(text) {
        return Ok(Start::Ago(ago));
    }
    time::read(text).map(since).ok_or_else(|| invalid(text))
}

fn since(ms: u64) -> Start {
    Start::Since(from_unix_ms(ms))
}

fn invalid(text: &str) -> Invalid {
    let shown = Shown(text);
    Invalid::new(
        "invalid_since",
        format!(
            "since is \"{shown}\"; it takes an age (10m), a time (2026-01-31T12:00:00Z or \
             2026-01-31T13:00:00+01:00), seconds or milliseconds of the Unix epoch (1769860800), an \
             event id, or earliest"
        ),
    )
}

/// Seconds or milliseconds of the Unix epoch, in milliseconds; `0` is its beginning.
fn epoch(text: &str) -> Result<u64, Invalid> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = !whole.is_empty() && !fraction.is_empty() && !fraction.contains('.');
    let number = whole.parse().ok().filter(|_| is_number);
    match number {
        Some(0) => Ok(0),
        Some(seconds @ FIRST_SECOND..FIRST_MILLISECOND) => {
            let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
            Ok(seconds * 1_000 + thousandths.parse().unwrap_or(0))
        }
        Some(milliseconds @ FIRST_MILLISECOND..FIRST_MICROSECOND) => Ok(milliseconds),
        _ => Err(Invalid::new(
            "invalid_since",
            format!(
                "since is \"{}\"; a number is a time in seconds or milliseconds of the Unix epoch \
                 (1769860800 or 1769860800000), and an age has a unit (10m)",
                Shown(text)
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sse_broadcaster::internal::unix_ms;

    use super::*;
    use crate::parameters::time::LATEST_MS;

    /// 2026-11-28T22:00:14.734Z.
    const MS: u64 = 1_795_903_214_734;

    fn since_ms(text: &str) -> Option<u64> {
        match read(text).ok()? {
            Start::Since(time) => Some(unix_ms(time)),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_time_is_the_same_instant_in_whatever_zone_and_by_whatever_language_it_was_written() {
        for text in [
            // Python's isoformat()
            "2026-11-28T22:00:14.734935",
            "2026-11-28T22:00:14.734935+00:00",
            "2026-11-28T23:00:14.734935+01:00",
            "2026-11-28 23:00:14.734935+01:00",
            "2026-11-28T23:00:14.734+01:00",
            "2026-11-28T17:00:14.734935-05:00",
            "2026-11-29T03:30:14.734935+05:30",
            "2026-11-29T03:53:42.734935+05:53:28",
            // JavaScript's toISOString()
            "2026-11-28T22:00:14.734Z",
            "+002026-11-28T22:00:14.734Z",
            // Go's RFC 3339
            "2026-11-28T22:00:14.734935123Z",
            "2026-11-28T23:00:14.734935123+01:00",
            "2026-11-28t22:00:14.734z",
            // Java's OffsetDateTime and ZonedDateTime
            "2026-11-28T23:00:14.734935123+01:00[Europe/Paris]",
            "2026-11-28T14:00:14.734-08:00",
            // with the + of a query that was not encoded
            "2026-11-28T23:00:14.734935 01:00",
            "2026-11-28 23:00:14.734935 01:00",
            "2026-11-28t23:00:14.734 01:00",
            "2026-11-28T23:00:14.734 0100",
            "2026-11-28T23:00:14.734 01",
            " 2026-11-28T22:00:14.734Z ",
            // the Unix epoch
            "1795903214.734935",
            "1795903214734",
            "1795903214734.935",
        ] {
            assert_eq!(since_ms(text), Some(MS), "{text}");
        }
    }

    #[test]
    fn seconds_and_minutes_may_be_left_away_as_java_and_python_do() {
        for (text, ms) in [
            ("2026-11-28T22:00:14Z", MS - 734),
            ("2026-11-28T23:00:14 01:00", MS - 734),
            ("1795903214", MS - 734),
            ("2026-11-28T22:00Z", MS - 14_734),
            ("2026-11-28T23:00+01:00", MS - 14_734),
            ("2026-11-28T23:00 01:00", MS - 14_734),
            ("2026-11-28 23:00 01:00", MS - 14_734),
            ("2026-11-28 22:00", MS - 14_734),
            ("2026-11-28T22", MS - 14_734),
            ("2026-11-28T23+01:00", MS - 14_734),
            ("2026-11-28", MS - 14_734 - 22 * 3_600_000),
        ] {
            assert_eq!(since_ms(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn zero_and_times_before_the_epoch_are_the_beginning_and_far_years_the_end() {
        for (text, ms) in [
            ("0", 0),
            ("0.0", 0),
            ("1970-01-01T00:00:00.000Z", 0),
            ("1970-01-01T00:00:00+01:00", 0),
            ("0001-01-01T00:00:00Z", 0),
            ("-000001-01-01T00:00:00.000Z", 0),
            ("-271821-04-20T00:00:00.000Z", 0),
            ("-999999999-01-01T00:00+18:00", 0),
            ("9999-12-31T23:59:59.999999", LATEST_MS),
            ("+275760-09-13T00:00:00.000Z", LATEST_MS),
            (" 275760-09-13T00:00:00.000Z", LATEST_MS),
            ("+12000-02-29T00:00Z", LATEST_MS),
        ] {
            assert_eq!(since_ms(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn an_age_is_left_to_the_clock_of_the_log() {
        for (text, seconds) in [("10m", 600), ("1h 30m", 5_400), ("0s", 0)] {
            let age = Duration::from_secs(seconds);
            assert_eq!(read(text), Ok(Start::Ago(age)), "{text}");
        }
    }

    #[test]
    fn what_could_be_taken_for_another_time_is_rejected_with_a_valid_example() {
        for text in [
            "",
            "yesterday",
            "2026-11-28T23:00:14+24:00",
            "2026-11-28T23:00:14-25:30",
            "now",
            "10",
            "-1",
            "-10m",
            "1.7e9",
            "1.2.3",
            ".5",
            "5.",
            "1795903214734935",
            "1795903214734935123",
            "99999999999999999999999",
            "2026",
            "20261128",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "+12001-02-29T00:00Z",
            "2026-11-28T24:00:00Z",
            "2026-11-28T22:00:14+25:61",
            "2026-11-28T22:00:14 +01:00",
            "2026-11-28T22:00:14 CET",
            "2026-11-28T22:00:14[Europe/Paris]",
            "2026-11-28T22:00:14Zulu",
            "2026-11-28 22:00:14 +0100 CET",
            "Sat, 28 Nov 2026 22:00:14 GMT",
            "28.11.2026",
            "11/28/2026",
            "2026-11-28T22:00:14Z\0",
            "٢٠٢٦-11-28T22:00:14Z",
            "Earliest",
        ] {
            let rejected = read(text).expect_err(text);
            assert_eq!(rejected.code(), "invalid_since");
            let detail = rejected.to_string();
            let examples: Vec<_> = detail.split(['(', ')', ' ', ',']).collect();
            assert!(
                examples.contains(&"1769860800") && examples.contains(&"10m"),
                "{detail}"
            );
        }
        for example in [
            "10m",
            "2026-01-31T12:00:00Z",
            "2026-01-31T13:00:00+01:00",
            "1769860800",
        ] {
            assert!(read(example).is_ok() && invalid("x").to_string().contains(example));
        }
        assert!(read(&"9".repeat(100_000)).unwrap_err().to_string().len() < 1_000);
        assert!(read(&"x".repeat(100_000)).unwrap_err().to_string().len() < 1_000);
    }
}
