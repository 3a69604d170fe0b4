//! What a stream keeps while it reads what is past.

use std::time::Instant;

use super::Subscription;
use crate::broadcaster::replay::{ReplayReader, rate_limiter::RateLimiter, read_ahead::ReadAhead};

pub(super) struct Past {
    rate: RateLimiter,
    pub(super) ahead: ReadAhead,
}

impl Past {
    pub(super) fn begin<'a>(
        past: &'a mut Option<Box<Self>>,
        replays: &ReplayReader,
    ) -> &'a mut Self {
        past.get_or_insert_with(|| {
            Box::new(Self {
                rate: replays.rate_limiter(),
                ahead: ReadAhead::default(),
            })
        })
    }
}

impl Subscription {
    /// Events of the past were encoded to so many bytes.
    pub(super) fn spend(&mut self, bytes: usize) {
        let past = Past::begin(&mut self.past, &self.inner.replays);
        past.rate.spend(bytes, Instant::now());
    }

    /// Until when the next read is to wait.
    pub(super) fn waits_until(&self) -> Option<Instant> {
        let past = self.past.as_ref()?;
        past.rate.wait(Instant::now())
    }

    /// The stream is live. Its rate is kept until what it has read is paid for, so that it gains nothing by falling
    /// behind again and again.
    pub(super) fn end_past(&mut self) {
        self.past.take_if(|past| past.rate.is_paid(Instant::now()));
    }
}
