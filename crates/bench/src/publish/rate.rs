//! When the next event is due.

use std::{str::FromStr, time::Duration};

/// Events a second; no server reaches it.
const MAX_RATE: f64 = 10_000_000.0;

/// The rate of `--rate`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Rate {
    /// Each publisher sends the next event as soon as it has a response.
    Max,
    /// Events a second.
    Every(f64),
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "max" {
            return Ok(Self::Max);
        }
        match text.parse() {
            Ok(rate) if rate > 0.0 && rate <= MAX_RATE => Ok(Self::Every(rate)),
            _ => Err("events a second, for example 0.5, 10 or 2000, or max".to_owned()),
        }
    }
}

impl Rate {
    /// How many events are due by then.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is rounded, and not below zero"
    )]
    pub(crate) fn due(self, elapsed: Duration) -> u64 {
        match self {
            Self::Max => u64::MAX,
            Self::Every(rate) => (elapsed.as_secs_f64() * rate).floor() as u64 + 1,
        }
    }

    /// When the event of this number is due, counted from 0.
    #[allow(clippy::cast_precision_loss, reason = "no run has so many")]
    pub(crate) fn time_of(self, event: u64) -> Duration {
        match self {
            Self::Max => Duration::ZERO,
            Self::Every(rate) => {
                Duration::try_from_secs_f64(event as f64 / rate).unwrap_or(Duration::MAX)
            }
        }
    }

    pub(crate) fn rate(self) -> Option<f64> {
        match self {
            Self::Max => None,
            Self::Every(rate) => Some(rate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_event_is_due_at_once_and_the_others_evenly() {
        let rate: Rate = "4".parse().unwrap();
        let due = [0, 249, 251, 999, 1_001].map(|ms| rate.due(Duration::from_millis(ms)));
        assert_eq!(due, [1, 1, 2, 4, 5]);
        assert_eq!(rate.time_of(4), Duration::from_secs(1));
    }

    #[test]
    fn a_rate_that_is_no_number_or_out_of_range_is_rejected() {
        for bad in ["0", "-1", "NaN", "inf", "1e9", "fast", ""] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
        assert_eq!("max".parse(), Ok(Rate::Max));
    }
}
