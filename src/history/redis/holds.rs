//! What publishers keep reserved until their events have come into the window by the tail.

use std::collections::BTreeMap;

use crate::{event::EventId, history::Hold, sync::Mutex};

const FIRST: EventId = EventId::new(0, 0);
const LAST: EventId = EventId::new(u64::MAX, u64::MAX);

#[derive(Default)]
pub(super) struct Holds(Mutex<Held>);

#[derive(Default)]
struct Held {
    /// How far the tail has come, and in which epoch.
    reached: Option<(u64, EventId)>,
    waiting: BTreeMap<(u64, EventId), Vec<Hold>>,
}

impl Holds {
    /// Keeps it until the tail has passed this id.
    pub(super) fn keep(&self, epoch: u64, id: EventId, reserved: Hold) {
        let mut held = self.0.lock();
        let is_there = held
            .reached
            .is_some_and(|(at, reached)| at == epoch && reached >= id);
        if !is_there {
            held.waiting.entry((epoch, id)).or_default().push(reserved);
        }
    }

    /// The tail has come to this id of this epoch. Events of epochs before it never come, and those of
    /// the one that is appended to are still to come where the tail has not heard of it.
    pub(super) fn reached(&self, epoch: u64, id: EventId, appended_to: u64) {
        let mut held = self.0.lock();
        held.reached = Some((epoch, id));
        let is_due = |(at, last): &(u64, EventId)| {
            if *at == epoch {
                *last <= id
            } else {
                *at != appended_to
            }
        };
        let due: Vec<_> = held
            .waiting
            .keys()
            .filter(|key| is_due(key))
            .copied()
            .collect();
        let done: Vec<_> = due
            .iter()
            .filter_map(|key| held.waiting.remove(key))
            .collect();
        drop(held);
        // Dropping them wakes publishers, which is not for under the lock.
        drop(done);
    }

    /// The newest id that was answered and that the tail has yet to come to.
    pub(super) fn promised(&self, epoch: u64) -> Option<EventId> {
        let held = self.0.lock();
        let mut ids = held.waiting.range((epoch, FIRST)..=(epoch, LAST));
        ids.next_back().map(|((_, id), _)| *id)
    }

    /// Whether something that was answered is not among these entries, which are all up to `read_to`.
    /// Redis has lost it then before any tail saw it.
    pub(super) fn misses(
        &self,
        epoch: u64,
        floor: EventId,
        ids: &[EventId],
        read_to: EventId,
    ) -> bool {
        let held = self.0.lock();
        let mut due = held.waiting.range((epoch, FIRST)..=(epoch, read_to));
        due.any(|((_, id), _)| *id > floor && ids.binary_search(id).is_err())
    }

    pub(super) fn release_all(&self) {
        let waiting = std::mem::take(&mut self.0.lock().waiting);
        drop(waiting);
    }
}
