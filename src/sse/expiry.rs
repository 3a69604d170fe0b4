//! When a stream ends because its grant does, and the notice that its client is sent before.

use std::time::{Duration, Instant};

/// How long before the end of its grant a stream is sent
/// [`Notice::Expiring`](super::Notice::Expiring).
pub const EXPIRING_BEFORE_END: Duration = Duration::from_secs(30);
/// Most that a stream ends before its grant does.
const MAX_EARLY: Duration = Duration::from_secs(10);
/// A stream ends at most this part of its grant early.
const EARLY_SHARE: u32 = 5;

/// The end of one stream, relative to the deadline of its selector: a few bytes for each subscriber.
#[derive(Debug, Default)]
pub(crate) struct Expiry {
    early_ms: u16,
    notice: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Later,
    Due,
    Sent,
}

impl Expiry {
    /// Of a stream that is opened now. Streams whose grants end together end at different times.
    pub(crate) fn of(deadline: Instant, now: Instant) -> Self {
        let remaining = deadline.saturating_duration_since(now);
        let most = MAX_EARLY.min(remaining / EARLY_SHARE).as_millis();
        let early_ms = fastrand::u16(..=u16::try_from(most).unwrap_or(u16::MAX));
        let mut expiry = Self {
            early_ms,
            notice: State::Later,
        };
        expiry.poll(deadline, now);
        expiry
    }

    fn remaining(&self, deadline: Instant, at: Instant) -> Duration {
        let early = Duration::from_millis(self.early_ms.into());
        deadline.saturating_duration_since(at).saturating_sub(early)
    }

    /// Whether the stream has ended by `at`.
    pub(crate) fn has_ended(&self, deadline: Instant, at: Instant) -> bool {
        self.remaining(deadline, at).is_zero()
    }

    /// Looks at the clock, which shows `next_poll` when that is done again; whether the notice is due.
    pub(crate) fn poll(&mut self, deadline: Instant, next_poll: Instant) -> bool {
        if self.notice == State::Later && self.remaining(deadline, next_poll) < EXPIRING_BEFORE_END
        {
            self.notice = State::Due;
        }
        self.is_due()
    }

    pub(crate) fn is_due(&self) -> bool {
        self.notice == State::Due
    }

    /// How long the stream still lasts, if the notice is due, which counts as sent then.
    pub(crate) fn take(&mut self, deadline: Instant, now: Instant) -> Option<Duration> {
        if !self.is_due() {
            return None;
        }
        self.notice = State::Sent;
        Some(self.remaining(deadline, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn streams_end_in_the_last_fifth_of_their_grant_and_at_most_ten_seconds_early() {
        let now = Instant::now();
        for (grant, most) in [(1, 200), (20, 4_000), (50, 10_000), (3_600, 10_000)] {
            let deadline = now + secs(grant);
            let early = |_| u64::from(Expiry::of(deadline, now).early_ms);
            let early: Vec<u64> = (0..2_000).map(early).collect();
            let (least, longest) = (early.iter().min().unwrap(), early.iter().max().unwrap());
            assert!(*longest <= most, "{grant} s: {longest} ms");
            assert!(longest - least > most * 9 / 10, "{grant} s: not spread");
        }
        let over = Expiry::of(now, now + secs(1));
        assert!(over.has_ended(now, now) && over.early_ms == 0);
    }

    #[test]
    fn the_notice_is_due_once_at_the_last_poll_that_is_thirty_seconds_before_the_end() {
        let (now, every) = (Instant::now(), Duration::from_millis(500));
        let deadline = now + secs(60);
        let mut expiry = Expiry::of(deadline, now);
        let end = now + expiry.remaining(deadline, now);
        let mut at = now;
        while !expiry.poll(deadline, at + every) {
            assert_eq!(expiry.take(deadline, at), None);
            at += every;
        }
        let remaining = expiry.take(deadline, at).unwrap();
        assert_eq!(remaining, end - at);
        assert!(remaining >= EXPIRING_BEFORE_END && remaining < EXPIRING_BEFORE_END + 2 * every);
        assert!(!expiry.poll(deadline, end) && expiry.take(deadline, end).is_none());
        assert!(!expiry.has_ended(deadline, at) && expiry.has_ended(deadline, end));
    }

    #[test]
    fn the_notice_of_a_short_grant_is_due_at_once() {
        let now = Instant::now();
        let deadline = now + secs(20);
        let remaining = Expiry::of(deadline, now).take(deadline, now).unwrap();
        assert!(
            remaining >= secs(16) && remaining <= secs(20),
            "{remaining:?}"
        );
    }
}
