//! What was read of the past for streams, and is held until their clients have taken it. All of it
//! shares one budget, so that clients which resume and do not read cannot fill memory.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};

use crate::history::{Limit, Unavailable};

/// What the budget is counted in.
const UNIT: usize = 1 << 10;
/// How long a stream waits for room; its client comes back later.
const WAIT: Duration = Duration::from_secs(10);
/// How long it waits before those that hold room without taking much are cut for it: reads that are under
/// way want it for a moment.
const PRESSING: Duration = Duration::from_secs(1);
/// Most that encoding may lengthen text: a line feed becomes "\ndata: ".
const EXPANSION: usize = 7;
/// Names, ids and such of one event.
const NAMES: usize = 64 << 10;

/// The budget.
#[derive(Debug)]
pub struct ReplayBuffers {
    units: u32,
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
    max_event_bytes: usize,
    runtime: Handle,
}

impl ReplayBuffers {
    pub(in crate::broadcaster) fn new(
        bytes: usize,
        max_event_bytes: usize,
        runtime: &Handle,
    ) -> Arc<Self> {
        let units = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).max(1);
        let units = units.min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        Arc::new(Self {
            units,
            free: Arc::new(Semaphore::new(units as usize)),
            waiting: AtomicUsize::new(0),
            max_event_bytes,
            runtime: runtime.clone(),
        })
    }

    /// Most that one read may find, as a log keeps it.
    pub(in crate::broadcaster) fn most_read(&self, limit: Limit) -> usize {
        limit.bytes.max(self.max_event_bytes + NAMES)
    }

    /// The same, and encoded.
    pub(in crate::broadcaster) fn most_encoded(&self, limit: Limit) -> usize {
        (1 + EXPANSION) * self.most_read(limit)
    }

    /// Bytes that are held.
    pub fn used(&self) -> usize {
        (self.units as usize).saturating_sub(self.free.available_permits()) * UNIT
    }

    /// How many reads have waited for room for a second or more.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// More than the whole budget is all of it.
    fn units_of(&self, bytes: usize) -> u32 {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        units.min(self.units)
    }

    /// Waits for room, in order of asking.
    pub(in crate::broadcaster) async fn lease(&self, bytes: usize) -> Result<Lease, Unavailable> {
        if let Some(lease) = self.try_lease(bytes) {
            return Ok(lease);
        }
        let free = Arc::clone(&self.free);
        let mut acquiring = pin!(free.acquire_many_owned(self.units_of(bytes)));
        let (mut pressing, end) = {
            let _timers = self.runtime.enter();
            (pin!(sleep(PRESSING)), sleep(WAIT))
        };
        tokio::select! {
            permit = &mut acquiring => return permit.map(Lease).map_err(|_| no_room()),
            () = &mut pressing => {}
        }
        let _waiting = Waiting::among(&self.waiting);
        tokio::select! {
            permit = &mut acquiring => permit.map(Lease).map_err(|_| no_room()),
            () = end => Err(no_room()),
        }
    }

    fn try_lease(&self, bytes: usize) -> Option<Lease> {
        let free = Arc::clone(&self.free);
        let permit = free.try_acquire_many_owned(self.units_of(bytes));
        permit.ok().map(Lease)
    }

    /// Only where others would still find half of the budget.
    pub(in crate::broadcaster) fn lease_spare(&self, bytes: usize) -> Option<Lease> {
        let spare = (self.free.available_permits() * UNIT).saturating_sub(bytes);
        (spare >= self.units as usize * UNIT / 2)
            .then(|| self.try_lease(bytes))
            .flatten()
    }

    /// Counts those of these values that were fetched for this caller alone.
    pub(in crate::broadcaster) fn hold_fetched<'a>(
        &self,
        values: impl Iterator<Item = &'a mut Bytes>,
    ) -> Result<(), Unavailable> {
        for value in values.filter(|value| value.is_unique() && value.len() >= UNIT) {
            // Not waited for: the caller may hold what others wait for.
            let lease = self.try_lease(value.len()).ok_or_else(no_room)?;
            let bytes = std::mem::take(value);
            *value = Bytes::from_owner(Held {
                bytes,
                _lease: lease,
            });
        }
        Ok(())
    }

    /// The same for more, or nothing of it.
    pub(in crate::broadcaster) fn grow(&self, mut lease: Lease, bytes: usize) -> Option<Lease> {
        let missing = self.units_of(bytes) as usize;
        let missing = missing.saturating_sub(lease.0.num_permits()) * UNIT;
        lease.0.merge(self.try_lease(missing)?.0);
        Some(lease)
    }
}

fn no_room() -> Unavailable {
    Unavailable::new("clients that do not read hold all that replays may hold".to_owned())
}

/// One of those that wait, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn among(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A part of the budget, until it is dropped.
#[derive(Debug)]
pub(in crate::broadcaster) struct Lease(OwnedSemaphorePermit);

impl Lease {
    pub(in crate::broadcaster) fn shrink_to(&mut self, bytes: usize) {
        let spare = self.0.num_permits().saturating_sub(bytes.div_ceil(UNIT));
        drop(self.0.split(spare));
    }

    /// These bytes, which count by a part of this lease until nobody holds them any more.
    pub(in crate::broadcaster) fn hold_apart(&mut self, bytes: Vec<u8>) -> Bytes {
        let units = bytes.capacity().div_ceil(UNIT).min(self.0.num_permits());
        match self.0.split(units) {
            Some(permit) => Bytes::from_owner(Held {
                bytes,
                _lease: Lease(permit),
            }),
            None => bytes.into(),
        }
    }

    /// Has those of these bytes that nobody else holds as well count until the last of them is dropped.
    pub(in crate::broadcaster) fn hold_unshared(mut self, mut all: Vec<Bytes>) -> Vec<Bytes> {
        let unshared = all.iter().filter(|bytes| bytes.is_unique());
        self.shrink_to(unshared.map(Bytes::len).sum());
        let lease = Arc::new(self);
        for bytes in all.iter_mut().filter(|bytes| bytes.is_unique()) {
            let held = std::mem::take(bytes);
            *bytes = Bytes::from_owner(Held {
                bytes: held,
                _lease: Arc::clone(&lease),
            });
        }
        all
    }
}

struct Held<B, L> {
    bytes: B,
    _lease: L,
}

impl<B: AsRef<[u8]>, L> AsRef<[u8]> for Held<B, L> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_held_counts_until_the_last_slice_of_it_is_dropped() {
        let buffers = ReplayBuffers::new(100 * UNIT, UNIT, &Handle::current());
        let mut lease = buffers.lease(60 * UNIT).await.unwrap();
        assert_eq!(buffers.used(), 60 * UNIT);
        let mut bytes = lease.hold_apart(vec![0; 10 * UNIT]);
        assert_eq!(buffers.used(), 60 * UNIT);
        drop(lease);
        assert_eq!(buffers.used(), 10 * UNIT);
        let last = bytes.split_off(1);
        drop(bytes);
        assert_eq!(buffers.used(), 10 * UNIT);
        drop(last);
        assert_eq!(buffers.used(), 0);
        let all = buffers.lease(usize::MAX).await.unwrap();
        assert_eq!(buffers.used(), 100 * UNIT);
        let shared = Bytes::from(vec![0; 9 * UNIT]);
        let blocks = [
            Bytes::from(vec![0; UNIT]),
            shared.clone(),
            Bytes::from(vec![0; UNIT]),
        ];
        let blocks = all.hold_unshared(blocks.into());
        assert_eq!(buffers.used(), 2 * UNIT);
        drop(blocks);
        assert_eq!(buffers.used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_room_waits_for_it_and_not_forever() {
        let buffers = ReplayBuffers::new(10 * UNIT, UNIT, &Handle::current());
        let held = buffers.lease(8 * UNIT).await.unwrap();
        assert!(buffers.lease_spare(UNIT).is_none());
        assert!(buffers.lease(4 * UNIT).await.is_err());
        let waits = buffers.lease(4 * UNIT);
        let frees = async {
            assert_eq!(buffers.waiting(), 0);
            sleep(2 * PRESSING).await;
            assert_eq!(buffers.waiting(), 1);
            drop(held);
        };
        let (lease, ()) = tokio::join!(waits, frees);
        assert_eq!((buffers.used(), buffers.waiting()), (4 * UNIT, 0));
        let lease = buffers.grow(lease.unwrap(), 7 * UNIT).unwrap();
        assert_eq!(buffers.used(), 7 * UNIT);
        assert!(buffers.grow(lease, 10 * UNIT).is_some());
        assert_eq!(buffers.used(), 0);
    }
}
