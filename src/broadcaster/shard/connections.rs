//! What a shard keeps of its connections beside their senders, for operators. It is under the shard's lock, and a few
//! bytes long: most of what is shown of a connection is read from its sender.

mod described;
mod disconnect;
mod seen;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    task::Waker,
};

use self::described::Described;
use super::{Shard, ShardState, VISITS_PER_LOCK, offers::Offers, sender_indexes::SenderIndex};
use crate::{
    broadcaster::peer::Peer,
    clock::now_ms,
    event::{EventId, Selector},
    sse::{Cursor, Sender},
};

pub use seen::GapSent;
pub(in crate::broadcaster) use seen::Seen;

/// Most gaps of a connection that are kept.
const MAX_GAPS: usize = 8;

/// The connections of a shard.
pub(super) struct Connections {
    /// By the indexes of their senders.
    described: Vec<Option<Box<Described>>>,
    /// The last gaps that a connection was sent, of those that were sent one.
    gaps: HashMap<SenderIndex, VecDeque<GapSent>>,
    /// Wake those whose socket has been full, once an operator disconnects them: until there is room, nothing else
    /// does.
    disconnect_wakers: HashMap<SenderIndex, Waker>,
    next_serial: u32,
    offers: Offers,
}

impl Connections {
    pub(super) fn new(position: EventId) -> Self {
        Self {
            described: Vec::new(),
            gaps: HashMap::new(),
            disconnect_wakers: HashMap::new(),
            next_serial: fastrand::u32(..),
            offers: Offers::new(position),
        }
    }

    fn set(&mut self, index: SenderIndex, mut described: Box<Described>) {
        described.serial = self.next_serial;
        self.next_serial = self.next_serial.wrapping_add(1);
        let index = index as usize;
        if index >= self.described.len() {
            if index >= self.described.capacity() {
                // Doubling it would cost more for each connection than the place itself.
                let more = self.described.len() / 8 + VISITS_PER_LOCK;
                self.described
                    .reserve_exact(index - self.described.len() + more);
            }
            self.described.resize_with(index + 1, || None);
        }
        self.described[index] = Some(described);
    }

    fn get(&self, index: SenderIndex) -> Option<&Described> {
        self.described.get(index as usize)?.as_deref()
    }

    fn get_mut(&mut self, index: SenderIndex) -> Option<&mut Described> {
        self.described.get_mut(index as usize)?.as_deref_mut()
    }

    /// What was kept of a connection that has left, to be dropped outside of the lock.
    pub(super) fn remove(&mut self, index: SenderIndex) -> impl Sized + use<> {
        self.gaps.remove(&index);
        let waker = self.disconnect_wakers.remove(&index);
        let described = self.described.get_mut(index as usize);
        (waker, described.and_then(Option::take))
    }

    /// The stream has everything that matches after this one.
    pub(super) fn begins_after(&mut self, index: SenderIndex, position: EventId) {
        if let Some(described) = self.get_mut(index) {
            (described.begins_after, described.has_begun) = (position, true);
        }
    }

    /// A walk has offered everything up to this position.
    pub(super) fn has_offered(&mut self, to: EventId) {
        self.offers.add(to, now_ms());
    }

    fn see(&self, index: SenderIndex, sender: &Sender, state: &ShardState) -> Option<Seen> {
        let described = self.get(index)?;
        let is_opening = sender.cursor == Cursor::Opening;
        Some(Seen {
            index,
            serial: described.serial,
            peer: described.peer(),
            opened_ms: described.opened_ms,
            selector: Arc::clone(&sender.selector),
            cursor: sender.cursor,
            complete_to: state.complete_to(sender),
            // Where it joined is no event that it was sent.
            last_sent: Some(sender.last_sent).filter(|_| !is_opening && described.has_begun),
            begins_after: Some(described.begins_after).filter(|_| described.has_begun),
            gaps: self.gaps.get(&index).cloned().unwrap_or_default(),
            shard_position: state.position,
        })
    }
}

impl ShardState {
    /// Up to where a sender was sent everything that matches; `None` before it has begun.
    pub(super) fn complete_to(&self, sender: &Sender) -> Option<EventId> {
        match sender.cursor {
            Cursor::Opening => None,
            Cursor::Due(id) => Some(id),
            // Senders that a walk has not visited yet lack what it is about.
            Cursor::Live(id) if self.is_walking => Some(id),
            Cursor::Live(id) => Some(id.max(self.position.id)),
        }
    }
}

impl Shard {
    /// Keeps who is at the other end of this sender's stream, where connections are kept.
    pub(in crate::broadcaster) fn describe(&self, index: SenderIndex, peer: Peer) {
        if !self.keeps_connections {
            return;
        }
        let described = Box::new(Described::new(peer));
        let senders = self.senders.lock();
        let state = &mut *self.state.lock();
        if let Some(connections) = &mut state.connections {
            connections.set(index, described);
            let sender = &senders[index];
            if sender.cursor != Cursor::Opening {
                connections.begins_after(index, sender.last_sent);
            }
        }
    }

    /// The stream has everything that matches after this position.
    pub(in crate::broadcaster) fn begins_after(&self, index: SenderIndex, position: EventId) {
        self.change_connections(|connections| connections.begins_after(index, position));
    }

    /// The client was sent a gap: after the id `after` its stream went on at `to`.
    pub(in crate::broadcaster) fn has_sent_gap(
        &self,
        index: SenderIndex,
        after: EventId,
        to: EventId,
    ) {
        let sent_ms = now_ms();
        self.change_connections(|connections| {
            if connections.get(index).is_some() {
                let gaps = connections.gaps.entry(index).or_default();
                if gaps.len() == MAX_GAPS {
                    gaps.pop_front();
                }
                gaps.push_back(GapSent { after, to, sent_ms });
            }
        });
    }

    fn change_connections(&self, change: impl FnOnce(&mut Connections)) {
        if self.keeps_connections {
            let _senders = self.senders.lock();
            if let Some(connections) = &mut self.state.lock().connections {
                change(connections);
            }
        }
    }

    /// The first connections from this index on, `limit` at most, for which `is_wanted`.
    pub(in crate::broadcaster) fn list(
        &self,
        from: SenderIndex,
        limit: usize,
        is_wanted: impl Fn(&Peer, &Selector) -> bool,
    ) -> Vec<Seen> {
        let (mut found, mut next) = (Vec::new(), from as usize);
        loop {
            let senders = self.senders.lock();
            let state = &*self.state.lock();
            let Some(connections) = &state.connections else {
                return found;
            };
            let first = next;
            let visited = senders.starting_at(first, VISITS_PER_LOCK);
            next += visited.len();
            for (index, sender) in (first..).zip(visited) {
                let index = SenderIndex::try_from(index).expect("an index of a sender");
                if sender.is_gone() {
                    continue;
                }
                let seen = connections.see(index, sender, state);
                found.extend(seen.filter(|seen| is_wanted(&seen.peer, &seen.selector)));
                if found.len() >= limit {
                    return found;
                }
            }
            if next >= senders.len() {
                return found;
            }
        }
    }

    /// When a walk had offered the event of this id to the shard's streams, in milliseconds since the Unix epoch, as
    /// far as that is remembered.
    pub(in crate::broadcaster) fn offered_ms(&self, event: EventId) -> Option<u64> {
        let _senders = self.senders.lock();
        let state = self.state.lock();
        state.connections.as_ref()?.offers.time_of(event)
    }
}
