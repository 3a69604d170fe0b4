//! The subscribers that one worker thread serves.
//!
//! # The lock
//! `senders` is never held across an await, nor for more than [`VISITS_PER_LOCK`] senders. `state` is
//! only taken while `senders` is held, so nobody ever waits for it. Nothing that may drop a
//! [`Subscription`](super::Subscription), a waker among it, is dropped or woken under the lock.
//!
//! - The shard's position moves, under the lock, before a walk visits its first sender.
//! - A sender becomes live only if under the same lock its own cursor is at or past that position. One
//!   that joins during a walk starts at it.
//! - Indexes of senders are stable during a walk: leaving marks, a sweep follows, and the index of one that is
//!   gone is not used again before it.
//!
//! # Who changes what
//! A sender's cursor and the last id that its client was sent exist here alone. Polls of its stream move them
//! (`shard/poll.rs`), and walks (`shard/walk.rs`) wake it for what comes.

pub(super) mod connections;
mod index;
mod matchers;
mod offers;
pub(super) mod poll;
mod positions;
mod recent;
pub(super) mod sender_indexes;
mod senders;
mod shared_selectors;
mod timers;
mod walk;

use std::{sync::Arc, task::Waker, time::Instant};

use tokio::sync::{Notify, futures::Notified};

use self::{
    connections::Connections, index::TopicIndex, positions::Positions, recent::RecentEvents,
    sender_indexes::SenderIndex, senders::Senders, shared_selectors::SharedSelectors,
};
use super::{observer::TraceObserver, options::Options, size::Size, stats::Stats};
use crate::{
    event::Selector,
    history::{LogPosition, Window},
    sse::{Cursor, Ending, Sender},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

/// Most senders that are visited under one hold of the lock.
const VISITS_PER_LOCK: usize = if cfg!(all(test, shuttle)) { 1 } else { 256 };

pub(super) struct Shard {
    /// The subscribers. See the module for the rules of this lock.
    senders: Mutex<Senders>,
    state: Mutex<ShardState>,
    /// Its lock is held for no other.
    selectors: SharedSelectors,
    /// Notified when there may be something to walk.
    wake: Notify,
    /// Senders that are not gone.
    occupied: AtomicUsize,
    /// A task walks this shard; without one nobody waits for it.
    is_attended: AtomicBool,
    walked_events: AtomicU64,
    walked_bytes: AtomicU64,
    stats: Arc<Stats>,
    /// Whether `ShardState::connections` is there.
    keeps_connections: bool,
    /// Is told of traced events that walks have passed.
    observer: Option<Arc<dyn TraceObserver>>,
}

/// What walks, joins and polls share beside the senders.
struct ShardState {
    index: TopicIndex,
    free: Vec<SenderIndex>,
    gone: Vec<SenderIndex>,
    /// Stands for the selectors of those whose indexes are free.
    nothing: Arc<Selector>,
    /// Up to where the walks have come; a live sender is here.
    position: LogPosition,
    recent: RecentEvents,
    positions: Positions,
    is_walking: bool,
    /// Until when a drain waits for what is due to be sent.
    drain_deadline: Option<Instant>,
    /// Who the subscribers are, where that is kept.
    connections: Option<Connections>,
}

impl Shard {
    pub(super) fn new(window: &Window, stats: Arc<Stats>, options: &Options) -> Self {
        let position = window.head();
        let keeps_connections = options.connections;
        Self {
            senders: Mutex::new(Senders::default()),
            state: Mutex::new(ShardState {
                index: TopicIndex::default(),
                free: Vec::new(),
                gone: Vec::new(),
                nothing: Arc::new(Selector::all()),
                position,
                recent: RecentEvents::nothing(position),
                positions: Positions::new(position, window.retention()),
                is_walking: false,
                drain_deadline: None,
                connections: keeps_connections.then(|| Connections::new(position.id)),
            }),
            selectors: SharedSelectors::new(),
            wake: Notify::new(),
            occupied: AtomicUsize::new(0),
            is_attended: AtomicBool::new(false),
            walked_events: AtomicU64::new(position.number),
            walked_bytes: AtomicU64::new(position.bytes),
            stats,
            keeps_connections,
            observer: options.observer.clone(),
        }
    }

    /// The selector as subscribers of this shard share it.
    pub(super) fn share(&self, selector: Selector) -> Arc<Selector> {
        self.selectors.share(selector)
    }

    /// Adds a sender. With `live` it begins at the shard's position; without, history is read first.
    pub(super) fn join(
        &self,
        window: &Window,
        selector: &Arc<Selector>,
        live: bool,
    ) -> SenderIndex {
        let mut senders = self.senders.lock();
        let state = &mut *self.state.lock();
        // Counted before the head is read: what a publisher pushed that does not see it, and so does not
        // notify, is before the head.
        if self.occupied.fetch_add(1, Ordering::SeqCst) == 0 {
            self.skip_to(state, window.head());
        }
        let at = state.position.id;
        let cursor = if live {
            Cursor::Live(at)
        } else {
            Cursor::Opening
        };
        let sender = Sender::new(Arc::clone(selector), state.position.epoch, cursor, at);
        let index = if let Some(index) = state.free.pop() {
            senders[index] = sender;
            index
        } else {
            senders.push(sender)
        };
        state.index.insert(selector, index);
        self.stats.subscribers.add(1);
        self.stats.subscribed.add(1);
        index
    }

    /// Passes over what nobody here was waiting for.
    fn skip_to(&self, state: &mut ShardState, position: LogPosition) {
        state.position = position;
        state.recent = RecentEvents::nothing(position);
        state.positions.restart(position);
        self.has_walked_to(position);
    }

    /// Removes a sender. Returns how its stream was to end, if it was.
    pub(super) fn leave(&self, index: SenderIndex) -> Option<Ending> {
        let (ending, left_over) = {
            let mut senders = self.senders.lock();
            let state = &mut *self.state.lock();
            let sender = &mut senders[index];
            self.count_caught_up(sender);
            let ending = sender.ending.replace(Ending::Gone);
            let waker = sender.wake();
            state.gone.push(index);
            let left = self.occupied.fetch_sub(1, Ordering::SeqCst) - 1;
            // An eighth at a time: a sweep passes over whole topics.
            let is_due = !state.is_walking && state.gone.len() > left / 8;
            let selectors = is_due.then(|| state.sweep(&mut senders));
            let connections = state.connections.as_mut();
            let described = connections.map(|connections| connections.remove(index));
            (ending, (waker, selectors, described))
        };
        drop(left_over);
        self.stats.subscribers.sub(1);
        ending
    }

    /// Has a task look for what came; it does so at once where it waits in [`notified`](Self::notified).
    pub(super) fn notify(&self) {
        self.wake.notify_one();
    }

    pub(super) fn notified(&self) -> Notified<'_> {
        self.wake.notified()
    }

    /// Makes the caller the one who walks this shard, unless somebody is.
    pub(super) fn attend(self: &Arc<Self>) -> Option<Attended> {
        let free = !self.is_attended.swap(true, Ordering::SeqCst);
        free.then(|| Attended(Arc::clone(self)))
    }

    pub(super) fn is_attended(&self) -> bool {
        self.is_attended.load(Ordering::SeqCst)
    }

    pub(super) fn is_occupied(&self) -> bool {
        self.occupied.load(Ordering::SeqCst) > 0
    }

    /// How far the walks have come, if anybody waits for them.
    pub(super) fn walked(&self) -> Option<Size> {
        (self.is_occupied() && self.is_attended()).then(|| Size {
            events: self.walked_events.load(Ordering::SeqCst),
            bytes: self.walked_bytes.load(Ordering::SeqCst),
        })
    }

    fn has_walked_to(&self, position: LogPosition) {
        self.walked_events.store(position.number, Ordering::SeqCst);
        self.walked_bytes.store(position.bytes, Ordering::SeqCst);
    }

    fn count_lagging(&self, sender: &mut Sender) {
        if !std::mem::replace(&mut sender.is_lagging, true) {
            self.stats.behind.add(1);
        }
    }

    fn count_caught_up(&self, sender: &mut Sender) {
        if std::mem::take(&mut sender.is_lagging) {
            self.stats.behind.sub(1);
        }
    }

    /// Calls `visit` with the selector of every sender that is there, outside of the lock.
    pub(super) fn each_selector(&self, mut visit: impl FnMut(&Selector)) {
        let mut next = 0;
        loop {
            let (selectors, is_done) = {
                let senders = self.senders.lock();
                let visited = senders.starting_at(next, VISITS_PER_LOCK);
                next += visited.len();
                let there = visited.iter().filter(|sender| !sender.is_gone());
                let selectors: Vec<_> = there.map(|sender| Arc::clone(&sender.selector)).collect();
                (selectors, next >= senders.len())
            };
            for selector in &selectors {
                visit(selector);
            }
            if is_done {
                return;
            }
        }
    }

    /// Changes every sender that is there, in bounded holds of the lock, and wakes those for which
    /// `change` returns true.
    fn each(&self, mut change: impl FnMut(&mut Sender) -> bool) {
        let mut next = 0;
        loop {
            let mut wakers = Vec::new();
            let mut senders = self.senders.lock();
            let visited = senders.starting_at_mut(next, VISITS_PER_LOCK);
            next += visited.len();
            for sender in visited {
                if !sender.is_gone() && change(sender) {
                    wakers.extend(sender.wake());
                }
            }
            let done = next >= senders.len();
            drop(senders);
            wakers.into_iter().for_each(Waker::wake);
            if done {
                return;
            }
        }
    }
}

impl ShardState {
    /// Frees the indexes of those that are gone, and returns their selectors, to be dropped outside of the lock. Never
    /// during a walk.
    fn sweep(&mut self, senders: &mut Senders) -> Vec<Arc<Selector>> {
        if self.gone.is_empty() {
            return Vec::new();
        }
        let sender = |index: SenderIndex| &senders[index];
        let selectors = self.gone.iter().map(|index| &*sender(*index).selector);
        self.index.sweep(selectors, |index| sender(index).is_gone());
        // An index may not be used again for long, and a selector may hold patterns and grants.
        let mut take = |index: &SenderIndex| {
            let selector = &mut senders[*index].selector;
            std::mem::replace(selector, Arc::clone(&self.nothing))
        };
        let selectors = self.gone.iter().map(&mut take).collect();
        self.free.append(&mut self.gone);
        selectors
    }
}

/// A shard has a task that walks it, until this is dropped.
pub(super) struct Attended(Arc<Shard>);

impl Drop for Attended {
    fn drop(&mut self) {
        self.0.is_attended.store(false, Ordering::SeqCst);
    }
}
