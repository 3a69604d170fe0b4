//! How far the tail of a shared log has come, and what publishers keep reserved in the window until it has brought their
//! events there. `S` tells one server of the log from another.

use std::collections::BTreeMap;

use super::ReservationGuard;
use crate::{event::EventId, sync::Mutex};

const FIRST: EventId = EventId::new(0, 0);
const LAST: EventId = EventId::new(u64::MAX, u64::MAX);

/// See the module.
#[derive(Debug)]
pub struct Reservations<S>(Mutex<Inner<S>>);

/// What the tail follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed<S> {
    /// The epoch that the tail is in.
    pub epoch: u64,
    /// The server that it is connected to.
    pub server: S,
    /// The number of its connection.
    pub connection: u64,
}

#[derive(Debug)]
struct Inner<S> {
    /// How far the tail has come.
    reached: Option<(Followed<S>, EventId)>,
    /// It has a connection now.
    is_connected: bool,
    waiting: BTreeMap<(u64, EventId), Vec<ReservationGuard>>,
}

impl<S: Copy> Inner<S> {
    fn followed(&self) -> Option<Followed<S>> {
        let (followed, _) = self.reached?;
        self.is_connected.then_some(followed)
    }
}

impl<S> Default for Reservations<S> {
    fn default() -> Self {
        Self(Mutex::new(Inner {
            reached: None,
            is_connected: false,
            waiting: BTreeMap::new(),
        }))
    }
}

impl<S: Copy + PartialEq> Reservations<S> {
    /// What the tail follows, while it has a connection.
    #[must_use]
    pub fn followed(&self) -> Option<Followed<S>> {
        self.0.lock().followed()
    }

    /// What the tail follows, or followed last.
    #[must_use]
    pub fn last_followed(&self) -> Option<Followed<S>> {
        self.0.lock().reached.map(|(followed, _)| followed)
    }

    /// The tail has no connection any more.
    pub fn disconnected(&self) {
        self.0.lock().is_connected = false;
    }

    /// Takes as appended what this server stored in this epoch, if the tail follows both; the
    /// reservation is kept until the tail has passed the id. One step, so that a tail that moves finds every id that was
    /// acknowledged.
    ///
    /// # Errors
    /// The reservation, where the tail may never come to these events.
    pub fn acknowledge(
        &self,
        epoch: u64,
        server: S,
        last: Option<EventId>,
        reserved: ReservationGuard,
    ) -> Result<(), ReservationGuard> {
        let mut inner = self.0.lock();
        let followed = inner.followed();
        if followed.is_none_or(|followed| (followed.epoch, followed.server) != (epoch, server)) {
            return Err(reserved);
        }
        let Some(last) = last else { return Ok(()) };
        if inner.reached.is_some_and(|(_, reached)| reached < last) {
            inner
                .waiting
                .entry((epoch, last))
                .or_default()
                .push(reserved);
        }
        Ok(())
    }

    /// The tail has come to this id. What was acknowledged in other epochs never comes.
    pub fn reached(&self, followed: Followed<S>, id: EventId) {
        let mut inner = self.0.lock();
        inner.reached = Some((followed, id));
        inner.is_connected = true;
        let is_due = |(at, last): &(u64, EventId)| *at != followed.epoch || *last <= id;
        let due: Vec<_> = inner
            .waiting
            .keys()
            .filter(|key| is_due(key))
            .copied()
            .collect();
        let done: Vec<_> = due
            .iter()
            .filter_map(|key| inner.waiting.remove(key))
            .collect();
        drop(inner);
        // Dropping them wakes publishers, which is not for under the lock.
        drop(done);
    }

    /// The newest id that was acknowledged and that the tail has yet to reach.
    #[must_use]
    pub fn newest_acknowledged(&self, epoch: u64) -> Option<EventId> {
        let inner = self.0.lock();
        let mut ids = inner.waiting.range((epoch, FIRST)..=(epoch, LAST));
        ids.next_back().map(|((_, id), _)| *id)
    }

    /// Whether something that was acknowledged is not among these entries, which are all up to `read_to`.
    /// The log has lost it then before any tail saw it.
    #[must_use]
    pub fn misses(&self, epoch: u64, floor: EventId, ids: &[EventId], read_to: EventId) -> bool {
        let inner = self.0.lock();
        let mut due = inner.waiting.range((epoch, FIRST)..=(epoch, read_to));
        due.any(|((_, id), _)| *id > floor && ids.binary_search(id).is_err())
    }

    /// Gives back all that is reserved.
    pub fn release_all(&self) {
        let waiting = std::mem::take(&mut self.0.lock().waiting);
        drop(waiting);
    }
}
