//! How often the clock is looked at for what it brings to streams.

use std::time::Duration;

/// Per interval of pings, unless that is so long that [`LONGEST`] is shorter.
const PER_PING: u32 = 8;
/// A visible heartbeat comes earlier than asked for by as much.
pub(crate) const LONGEST: Duration = Duration::from_millis(500);
const SHORTEST: Duration = Duration::from_millis(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Polls {
    pub(crate) every: Duration,
    /// After so many polls at which a stream was quiet it is sent a ping. One less than an interval has,
    /// since those that were sent something right after a look would have theirs too late, and so would
    /// everybody on a server that is late itself.
    pub(crate) per_ping: u16,
}

impl Polls {
    pub(crate) fn new(ping_interval: Duration) -> Self {
        let every = (ping_interval / PER_PING).clamp(SHORTEST, LONGEST);
        let polls = ping_interval.as_nanos() / every.as_nanos();
        Self {
            every,
            per_ping: u16::try_from(polls).unwrap_or(u16::MAX).max(2) - 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_falls_due_a_look_before_the_interval_has_passed() {
        for ms in [10, 100, 4_000, 10_000, 60_000, 3_600_000] {
            let interval = Duration::from_millis(ms);
            let Polls { every, per_ping } = Polls::new(interval);
            let latest = every * u32::from(per_ping);
            assert!(latest + every <= interval, "{ms}: {latest:?}");
            assert!(latest * 10 >= interval * 8, "{ms}: {latest:?}");
        }
    }

    #[test]
    fn an_interval_beyond_what_is_counted_is_pinged_earlier_and_never_later() {
        let polls = Polls::new(Duration::from_secs(1_000_000));
        assert_eq!((polls.every, polls.per_ping), (LONGEST, u16::MAX - 1));
        assert_eq!(Polls::new(Duration::ZERO).per_ping, 1);
    }
}
