//! The newest events in memory: found by id, time and topic; bounded by number, bytes and age.
//!
//! [`Log`] is what the lock of a [`Window`] guards; reads of it are in `read` and `tail`.

mod aliases;
mod erase;
#[cfg(test)]
mod fixtures;
mod log;
mod read;
mod tail;
mod topics;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::future::BoxFuture;

use super::{
    Bounds, Chunk, Erased, Erasure, From, Limit, LogPosition, NameRange, Names, Retention,
};
use crate::{
    clock::now_ms,
    event::{Event, EventId, Selector, Stored},
    sync::{
        RwLock,
        atomic::{AtomicU64, Ordering},
    },
};
use log::Log;

pub(crate) use tail::Tail;

/// The newest events of a log, in memory, into which the history pushes what was appended. All methods but
/// [`room`](Self::room) return after bounded work.
pub struct Window {
    retention: Retention,
    /// The age at which events are dropped by this process's clock.
    age: Option<Duration>,
    /// Never held across an await.
    log: RwLock<Log>,
    /// The number of the log's head, and its bytes, for those that poll them without the lock.
    pushed_events: AtomicU64,
    pushed_bytes: AtomicU64,
    follower: OnceLock<Box<dyn Follower>>,
}

/// Delivers what is pushed into a window.
pub(crate) trait Follower: Send + Sync {
    /// Called after each push, without the window's lock.
    fn pushed(&self);

    /// Waits until so much more can be pushed without dropping events that were not delivered yet.
    fn room(&self, events: u64, bytes: u64) -> BoxFuture<'_, ()>;
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window")
            .field("retention", &self.retention)
            .field("bounds", &self.bounds())
            .finish_non_exhaustive()
    }
}

impl Window {
    /// An empty window of the log `epoch`, whose last id is `head`.
    #[must_use]
    pub fn new(retention: Retention, epoch: u64, head: EventId) -> Self {
        Self {
            retention,
            age: retention.age,
            log: RwLock::new(Log::new(epoch, head)),
            pushed_events: AtomicU64::new(0),
            pushed_bytes: AtomicU64::new(0),
            follower: OnceLock::new(),
        }
    }

    /// For a log that drops events by a clock that is not this process's: the window drops none for their age,
    /// and the history drops what the log has dropped by [`trim_to`](Self::trim_to).
    #[must_use]
    pub fn aged_elsewhere(self) -> Self {
        Self { age: None, ..self }
    }

    /// How much it holds at most.
    #[must_use]
    pub fn retention(&self) -> Retention {
        self.retention
    }

    /// Sets the follower. False, and nothing is set, where there is one already.
    pub(crate) fn follow(&self, follower: impl Follower + 'static) -> bool {
        self.follower.set(Box::new(follower)).is_ok()
    }

    /// See [`Broadcaster::is_finished`](crate::Broadcaster::is_finished): the position of the last event that finishes
    /// one of the topics.
    pub(crate) fn finished_at(&self, selector: &Selector) -> Option<EventId> {
        self.log.read().finished_at(selector)
    }

    /// Whether a broadcaster delivers what is pushed.
    pub fn is_followed(&self) -> bool {
        self.follower.get().is_some()
    }

    /// Takes in what was appended, ids increasing, and erases what it tells to erase. Returns what was erased or dropped
    /// by retention, as it was.
    pub fn push(&self, appended: Vec<Arc<Stored>>) -> Vec<Arc<Stored>> {
        let dropped = {
            let mut log = self.log.write();
            let mut dropped = Vec::new();
            for stored in appended {
                let erasure = Erasure::of(stored.event());
                log.push(stored);
                if let Some(erasure) = erasure {
                    dropped.extend(log.erase(&erasure));
                }
            }
            dropped.extend(log.trim(self.own_retention(), now_ms()));
            self.set_pushed(log.head());
            dropped
        };
        self.call_follower();
        dropped
    }

    /// The event of the next step of an erasure of what the window holds, and what that erases; `None` where there is
    /// nothing to erase.
    #[must_use]
    pub fn next_erasure(&self, erasure: &Erasure) -> Option<(Event, Erased)> {
        self.log.read().next_erasure(erasure)
    }

    /// Waits until these events can be pushed without dropping any that this process's subscribers have not
    /// been sent. For histories that others append to as well; a publish of this process has reserved its room.
    ///
    /// Dropping the future has no effect.
    pub async fn room(&self, events: &[Arc<Stored>]) {
        if let Some(follower) = self.follower.get() {
            let bytes: u64 = events
                .iter()
                .map(|stored| stored.event().most_memory() as u64)
                .sum();
            follower.room(events.len() as u64, bytes).await;
        }
    }

    /// Drops events that are older than retention allows, and returns them.
    pub fn expire(&self) -> Vec<Arc<Stored>> {
        let retention = self.own_retention();
        if retention.age.is_none() || !self.log.read().is_due(retention, now_ms()) {
            return Vec::new();
        }
        self.log.write().trim(retention, now_ms())
    }

    /// Drops the events up to this id, which the log has dropped.
    pub fn trim_to(&self, floor: EventId) {
        if floor > self.log.read().floor().id {
            let dropped = self.log.write().trim_to(floor);
            drop(dropped);
        }
    }

    /// History goes on as another log: the window is empty, and the last id is `head`, which may be lower than
    /// those of before.
    pub fn restart(&self, epoch: u64, head: EventId) {
        self.log.write().restart(epoch, head);
        self.call_follower();
    }

    /// The same log goes on after `to`, and events up to there cannot be had any more. Subscribers at an earlier
    /// position read on from history, which knows what is lost.
    pub fn skip_to(&self, to: EventId) {
        {
            let mut log = self.log.write();
            log.skip_to(to);
            self.set_pushed(log.head());
        }
        self.call_follower();
    }

    fn own_retention(&self) -> Retention {
        self.retention.age(self.age)
    }

    fn set_pushed(&self, head: LogPosition) {
        self.pushed_events.store(head.number, Ordering::Release);
        self.pushed_bytes.store(head.bytes, Ordering::Release);
    }

    fn call_follower(&self) {
        if let Some(follower) = self.follower.get() {
            follower.pushed();
        }
    }

    /// How many events were pushed so far, and their bytes.
    pub(crate) fn pushed(&self) -> (u64, u64) {
        (
            self.pushed_events.load(Ordering::Acquire),
            self.pushed_bytes.load(Ordering::Acquire),
        )
    }

    /// The position after the newest event.
    pub fn head(&self) -> LogPosition {
        self.log.read().head()
    }

    /// The events after `position`: as many as fit the limit, and at least one if there is one.
    pub(crate) fn after(&self, position: LogPosition, limit: Limit) -> Tail {
        self.log.read().after(position, limit)
    }

    /// The events after `position`, at most so many, with those that were erased.
    pub(crate) fn newer(&self, position: LogPosition, max: usize) -> Tail {
        self.log.read().newer(position, max)
    }

    /// Reads as [`History::read`](super::History::read) does, from memory alone. Idempotency keys are not known
    /// here, so that a read after one has a gap.
    #[must_use]
    pub fn read(&self, from: From<'_>, selector: &Selector, limit: Limit) -> Chunk {
        self.log.read().read(from, selector, limit)
    }

    /// The same where the window certainly holds all that is asked for; `None` where it has to be read from the
    /// log. [`Chunk::oldest`] is the oldest of the window, which is not that of the log.
    #[must_use]
    pub fn read_held(&self, from: From<'_>, selector: &Selector, limit: Limit) -> Option<Chunk> {
        let log = self.log.read();
        log.holds(from, selector)
            .then(|| log.read(from, selector, limit))
    }

    /// One page of the topics of the events that it holds.
    #[must_use]
    pub fn topics(&self, range: NameRange<'_>) -> Names {
        self.log.read().topic_names(range)
    }

    /// How many events it holds after this position.
    pub(crate) fn count_after(&self, id: EventId) -> u64 {
        self.log.read().count_after(id)
    }

    /// The event of this id, where it is held.
    pub(crate) fn find(&self, id: EventId) -> Option<Arc<Stored>> {
        self.log.read().find(id)
    }

    /// The oldest event that it holds with this alias, of those that the selector may read.
    pub(crate) fn oldest_with(&self, alias: &str, selector: &Selector) -> Option<Arc<Stored>> {
        self.log.read().oldest_with(alias, selector)
    }

    /// What it holds; bytes are those of memory.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        self.log.read().bounds()
    }
}
