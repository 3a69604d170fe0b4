//! When clients come back: never all at once, and one alone without delay.

use std::time::Duration;

/// What each stream adds to the time over which all come back.
const PER_STREAM: Duration = Duration::from_millis(10);
/// A server that was stopped needs as long until it is there again.
const AFTER_DRAIN: Duration = Duration::from_millis(500);
/// Shortest reconnection time of a stream whose server died without ending it, and the bounds of the time
/// over which such clients come back.
const AFTER_CRASH: Duration = Duration::from_secs(1);
const LEAST_SPREAD: Duration = Duration::from_secs(2);
const MOST_SPREAD: Duration = Duration::from_secs(10);
/// The same for those that there was no place for: it will not be there the next moment.
const AFTER_REFUSAL: Duration = Duration::from_secs(2);
const REFUSAL_SPREAD: Duration = Duration::from_secs(8);

/// The reconnection time that a stream begins with, as one of so many.
pub(super) fn opening(streams: usize) -> Duration {
    let spread = over(streams).clamp(LEAST_SPREAD, MOST_SPREAD);
    AFTER_CRASH + below(spread)
}

/// That of a stream that is cut together with the others, so many of them, when the server drains.
pub(super) fn drained(streams: usize, within: Duration) -> Duration {
    AFTER_DRAIN + below(over(streams).min(within))
}

pub(super) fn refused() -> Duration {
    AFTER_REFUSAL + below(REFUSAL_SPREAD)
}

fn over(streams: usize) -> Duration {
    PER_STREAM.saturating_mul(u32::try_from(streams).unwrap_or(u32::MAX))
}

fn below(spread: Duration) -> Duration {
    let ms = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(fastrand::u64(0..ms.max(1)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn drawn(draw: impl Fn() -> Duration) -> (Duration, Duration, usize) {
        let drawn: Vec<_> = (0..2_000).map(|_| draw()).collect();
        let different: HashSet<_> = drawn.iter().collect();
        (
            *drawn.iter().min().unwrap(),
            *drawn.iter().max().unwrap(),
            different.len(),
        )
    }

    #[test]
    fn a_single_stream_comes_back_at_once_and_many_are_spread_within_the_drain_time() {
        let within = Duration::from_secs(5);
        let (_, longest, _) = drawn(|| drained(1, within));
        assert!(longest <= AFTER_DRAIN + PER_STREAM, "{longest:?}");
        let (shortest, longest, different) = drawn(|| drained(100_000, within));
        assert!(shortest >= AFTER_DRAIN && longest < AFTER_DRAIN + within);
        assert!(longest > AFTER_DRAIN + within / 2, "{longest:?}");
        assert!(different > 1_000, "{different}");
        assert_eq!(drained(100_000, Duration::ZERO), AFTER_DRAIN);
    }

    #[test]
    fn streams_begin_with_different_reconnection_times_however_few_they_are() {
        for streams in [1, 200, usize::MAX] {
            let (shortest, longest, different) = drawn(|| opening(streams));
            assert!(shortest >= AFTER_CRASH && longest < AFTER_CRASH + MOST_SPREAD);
            assert!(longest > AFTER_CRASH + LEAST_SPREAD / 2, "{longest:?}");
            assert!(different > 1_000, "{different}");
        }
    }
}
