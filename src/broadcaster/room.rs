//! A server that is behind slows its publishers: room in the window is reserved before an append.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, time::timeout_at};

use super::shard::Shard;
use crate::{
    history::Window,
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
pub(crate) struct Room {
    window: Arc<Window>,
    shards: Arc<[Arc<Shard>]>,
    reserved: Mutex<Size>,
    freed: Notify,
    waiting: AtomicUsize,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

impl Room {
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
    pub(crate) async fn reserve(&self, size: Size, wait: Duration) -> Option<Reservation<'_>> {
        if let Some(reservation) = self.try_reserve(size) {
            return Some(reservation);
        }
        let deadline = tokio::time::Instant::now() + wait;
        let _waiting = Waiting::new(&self.waiting);
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Registered before the look, so that room made in between is not missed.
            freed.as_mut().enable();
            if let Some(reservation) = self.try_reserve(size) {
                return Some(reservation);
            }
            timeout_at(deadline, freed).await.ok()?;
        }
    }

    fn try_reserve(&self, size: Size) -> Option<Reservation<'_>> {
        let retention = self.window.retention();
        let mut reserved = self.reserved.lock();
        let lag = self.lag();
        let fits = reserved.events + lag.events + size.events <= retention.events as u64 / SHARE
            && reserved.bytes + lag.bytes + size.bytes <= retention.bytes as u64 / SHARE;
        if !fits {
            return None;
        }
        reserved.events += size.events;
        reserved.bytes += size.bytes;
        Some(Reservation { room: self, size })
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

    pub(crate) fn is_free(&self) -> bool {
        self.reserved.lock().events == 0 && self.lag().events == 0
    }

    pub(crate) fn freed(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.freed.notify_waiters();
        }
    }
}

/// Room that is held until what was reserved for has been appended, or given up.
pub(crate) struct Reservation<'a> {
    room: &'a Room,
    size: Size,
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        {
            let mut reserved = self.room.reserved.lock();
            reserved.events -= self.size.events;
            reserved.bytes -= self.size.bytes;
        }
        self.room.freed();
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
