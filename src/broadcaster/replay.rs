//! Reads of history for streams: bounded in bytes by [`ReplayBuffers`], shared where many streams resume alike.

pub(super) mod buffers;
pub(super) mod found;
pub(super) mod latest;
pub(super) mod origin;
pub(super) mod rate_limiter;
pub(super) mod read_ahead;
pub(super) mod single_flight;

use std::{sync::Arc, time::Instant};

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::runtime::Handle;

use self::{
    buffers::{Lease, ReplayBuffers},
    origin::Origin,
    rate_limiter::RateLimiter,
    single_flight::{Locating, ReplaySingleFlight},
};
use super::options::Options;
use crate::{
    event::{EncodingKey, EventId, Selector},
    history::{Chunk, From, History, Limit, Unavailable},
};

/// What is found, and room for it and for what it is encoded to.
pub(super) type Reading = BoxFuture<'static, Result<(Chunk, Lease), Unavailable>>;

/// Reads history for the streams of one broadcaster.
pub(super) struct ReplayReader {
    history: Arc<dyn History>,
    buffers: Arc<ReplayBuffers>,
    single_flight: ReplaySingleFlight,
    bytes_per_second: u64,
    runtime: Handle,
}

impl ReplayReader {
    pub(super) fn new(history: Arc<dyn History>, options: &Options, runtime: &Handle) -> Self {
        Self {
            history,
            buffers: ReplayBuffers::new(
                options.replay_buffer_bytes,
                options.max_event_bytes,
                runtime,
            ),
            single_flight: ReplaySingleFlight::default(),
            bytes_per_second: options.replay_bytes_per_second,
            runtime: runtime.clone(),
        }
    }

    pub(super) fn buffers(&self) -> &Arc<ReplayBuffers> {
        &self.buffers
    }

    /// The rate of one stream.
    pub(super) fn rate_limiter(&self) -> RateLimiter {
        RateLimiter::new(self.bytes_per_second)
    }

    /// The first read of a stream, shared with others that begin alike and are encoded alike.
    pub(super) fn locate(
        &self,
        selector: &Arc<Selector>,
        encoding: Option<EncodingKey>,
        origin: &Origin,
    ) -> Locating {
        let from = (&self.history, &self.buffers);
        self.single_flight.locate(from, selector, encoding, origin)
    }

    /// What comes after this position, once there is room for it.
    pub(super) fn read(&self, selector: &Arc<Selector>, after: EventId, limit: Limit) -> Reading {
        let (history, buffers) = (Arc::clone(&self.history), Arc::clone(&self.buffers));
        read((history, buffers), Arc::clone(selector), after, limit).boxed()
    }

    /// The same, not before this time.
    pub(super) fn delayed<T>(
        &self,
        until: Instant,
        reading: impl Future<Output = T> + Send + 'static,
    ) -> BoxFuture<'static, T> {
        let _timers = self.runtime.enter();
        let delay = tokio::time::sleep_until(until.into());
        delay.then(|()| reading).boxed()
    }

    /// Lets go of reads that are too old to be shared.
    pub(super) fn forget_old(&self, now: Instant) {
        self.single_flight.forget(now);
    }
}

async fn read(
    (history, buffers): (Arc<dyn History>, Arc<ReplayBuffers>),
    selector: Arc<Selector>,
    after: EventId,
    limit: Limit,
) -> Result<(Chunk, Lease), Unavailable> {
    let lease = buffers.lease(buffers.most_encoded(limit)).await?;
    let chunk = history.read(From::After(after), &selector, limit).await?;
    Ok((chunk, lease))
}
