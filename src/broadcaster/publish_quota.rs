//! A server that is behind slows its publishers: room in the window is reserved before an append.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, time::timeout_at};

use super::{shard::Shard, size::Size};
use crate::{
    history::{LogPosition, Window},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The part of the window that may be reserved or not walked yet: half, so that the other half is
/// there for those who have walked and resume.
const SHARE: u64 = 2;

/// What is reserved plus the slowest shard's lag never exceeds its share of the window, in events or
/// in bytes: so no append pushes out what a shard has not walked.
pub(crate) struct PublishQuota {
    window: Arc<Window>,
    shards: Arc<[Arc<Shard>]>,
    reserved: Mutex<Size>,
    freed: Notify,
    waiting: AtomicUsize,
}

impl PublishQuota {
    pub(crate) fn new(window: Arc<Window>, shards: Arc<[Arc<Shard>]>) -> Self {
        Self {
            window,
            shards,
            reserved: Mutex::default(),
            freed: Notify::new(),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Waits for room, at most so long; `None` when there was none.
    pub(crate) async fn reserve(
        self: &Arc<Self>,
        size: Size,
        wait: Duration,
    ) -> Option<Reservation> {
        if let Some(reservation) = self.try_reserve(size) {
            return Some(reservation);
        }
        let deadline = tokio::time::Instant::now() + wait;
        timeout_at(deadline, self.until(|| self.try_reserve(size)))
            .await
            .ok()
    }

    /// Waits until so much more is within the share, beside what is reserved.
    pub(crate) async fn wait_for(&self, size: Size) {
        let fits = || self.fits(Size::default(), size).then_some(());
        if fits().is_none() {
            self.until(fits).await;
        }
    }

    async fn until<T>(&self, found: impl Fn() -> Option<T>) -> T {
        let _waiting = Waiting::new(&self.waiting);
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Registered before the look, so that room made in between is not missed.
            freed.as_mut().enable();
            if let Some(found) = found() {
                return found;
            }
            freed.await;
        }
    }

    fn try_reserve(self: &Arc<Self>, size: Size) -> Option<Reservation> {
        let mut reserved = self.reserved.lock();
        if !self.fits(*reserved, size) {
            return None;
        }
        reserved.events += size.events;
        reserved.bytes += size.bytes;
        let quota = Arc::clone(self);
        Some(Reservation { quota, size })
    }

    fn fits(&self, reserved: Size, size: Size) -> bool {
        let retention = self.window.retention();
        let lag = self.lag();
        reserved.events + lag.events + size.events <= retention.events as u64 / SHARE
            && reserved.bytes + lag.bytes + size.bytes <= retention.bytes as u64 / SHARE
    }

    /// How far the slowest shard is behind the window's head.
    pub(crate) fn lag(&self) -> Size {
        let (events, bytes) = self.window.pushed();
        let lags = self.shards.iter().filter_map(|shard| shard.walked());
        lags.fold(Size::default(), |most, walked| Size {
            events: most.events.max(events.saturating_sub(walked.events)),
            bytes: most.bytes.max(bytes.saturating_sub(walked.bytes)),
        })
    }

    /// Whether all shards have walked up to this position.
    pub(crate) fn have_walked_to(&self, position: LogPosition) -> bool {
        let (pushed, _) = self.window.pushed();
        position.number + self.lag().events <= pushed
    }

    pub(crate) fn is_free(&self) -> bool {
        self.reserved.lock().events == 0 && self.lag().events == 0
    }

    pub(crate) fn freed(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.freed.notify_waiters();
        }
    }
}

/// Room that is held until what was reserved for has come into the window, or been given up.
pub(crate) struct Reservation {
    quota: Arc<PublishQuota>,
    size: Size,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        {
            let mut reserved = self.quota.reserved.lock();
            reserved.events -= self.size.events;
            reserved.bytes -= self.size.bytes;
        }
        self.quota.freed();
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
