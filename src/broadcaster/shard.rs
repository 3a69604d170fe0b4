//! The subscribers that one worker thread serves, and the walk that tells them what is due.
//!
//! # The lock
//! `senders` is never held across an await, nor for more than [`VISITS_PER_LOCK`] senders. `desk` is
//! only taken while `senders` is held, so nobody ever waits for it. Nothing that may drop a
//! [`Subscription`](super::Subscription), a waker among it, is dropped or woken under the lock.
//!
//! - The shard's place moves, under the lock, before a walk visits its first sender.
//! - A sender becomes live only if under the same lock its own cursor is at or past that place. One
//!   that joins during a walk starts at it.
//! - Slots keep their place during a walk: leaving marks, a sweep follows, and a marked slot is not
//!   used again before it.

use std::{
    collections::HashMap,
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::Notify;

use super::{
    index::{Place, TopicIndex},
    position::Positions,
    room::Size,
    stats::Stats,
};
use crate::{
    event::{EventId, Form, Selector},
    history::{self, Tail, Window},
    sse::{Cursor, Frame, Gap, Mark, Sender},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

/// Most senders that are visited under one hold of the lock.
const VISITS_PER_LOCK: usize = if cfg!(all(test, shuttle)) { 1 } else { 256 };
/// Most events that one walk takes on.
const EVENTS_PER_WALK: usize = if cfg!(all(test, shuttle)) { 2 } else { 1_024 };

pub(crate) struct Shard {
    /// The subscribers. See the module for the rules of this lock.
    senders: Mutex<Vec<Sender>>,
    desk: Mutex<Desk>,
    /// Rung when there may be something to walk.
    pub(crate) bell: Notify,
    /// Senders that are not gone.
    occupied: AtomicUsize,
    /// A task walks this shard; without one nobody waits for it.
    attended: AtomicBool,
    walked_events: AtomicU64,
    walked_bytes: AtomicU64,
    stats: Arc<Stats>,
}

struct Desk {
    index: TopicIndex,
    free: Vec<Place>,
    gone: Vec<Place>,
    /// Up to where the walks have come; a live sender stands here.
    place: history::Place,
    /// What the last walk was about: the shard's own slice of the window.
    recent: Arc<Recent>,
    positions: Positions,
    walking: bool,
}

/// The slice of the window that a walk is about, and what was joined of it, so that subscribers that
/// are due the same share it.
pub(crate) struct Recent {
    tail: Tail,
    joined: Mutex<HashMap<(Arc<Selector>, Form, EventId), Batch>>,
}

/// What one poll yields of live events.
#[derive(Clone)]
pub(crate) struct Batch {
    pub(crate) bytes: Bytes,
    pub(crate) events: u64,
    pub(crate) last: EventId,
}

/// What a polled stream has to do next.
pub(crate) enum Next {
    /// Nothing is due; the waker is registered.
    Wait,
    /// A heartbeat.
    Ping,
    /// Everything up to this id was sent.
    Position(EventId, Bytes),
    /// What comes after the id in the shard's slice; the sender counts as live.
    Live(Arc<Recent>, EventId),
    /// Read on from history.
    Read(EventId),
    /// History went on under another epoch.
    Gap(Gap),
    /// Cut the stream, behind this reconnection time where there is one.
    End(Option<Duration>),
}

struct Walk<'a> {
    shard: &'a Shard,
    /// `None`: everybody, since what they stand before is lost.
    matches: Option<Vec<(Place, EventId)>>,
    next: usize,
    is_done: bool,
    slice: Arc<Recent>,
    before: history::Place,
}

impl Shard {
    pub(crate) fn new(window: &Window, stats: Arc<Stats>) -> Self {
        let place = window.head();
        Self {
            senders: Mutex::new(Vec::new()),
            desk: Mutex::new(Desk {
                index: TopicIndex::default(),
                free: Vec::new(),
                gone: Vec::new(),
                place,
                recent: Arc::new(Recent::nothing(place)),
                positions: Positions::new(place, window.retention()),
                walking: false,
            }),
            bell: Notify::new(),
            occupied: AtomicUsize::new(0),
            attended: AtomicBool::new(false),
            walked_events: AtomicU64::new(place.number),
            walked_bytes: AtomicU64::new(place.bytes),
            stats,
        }
    }

    /// Seats a sender. With `live` it stands at the shard's place, which is returned; without, its
    /// history is looked up first.
    pub(crate) fn join(
        &self,
        window: &Window,
        selector: Arc<Selector>,
        live: bool,
    ) -> (Place, EventId) {
        let mut senders = self.senders.lock();
        let desk = &mut *self.desk.lock();
        // Counted before the head is read: a publisher that does not see it has pushed before.
        if self.occupied.fetch_add(1, Ordering::SeqCst) == 0 {
            self.move_to(desk, window.head());
        }
        let at = desk.place.id;
        let cursor = if live {
            Cursor::Live(at)
        } else {
            Cursor::Opening
        };
        let sender = Sender::new(Arc::clone(&selector), cursor, at);
        let place = if let Some(place) = desk.free.pop() {
            senders[place as usize] = sender;
            place
        } else {
            let place = Place::try_from(senders.len()).expect("fewer than 2^32 subscribers");
            senders.push(sender);
            place
        };
        desk.index.insert(&selector, place);
        self.stats.subscribers.add(1);
        self.stats.subscribed.add(1);
        // What was pushed before the seat was counted had rung for nobody.
        self.bell.notify_one();
        (place, at)
    }

    /// Passes over what nobody here was waiting for.
    fn move_to(&self, desk: &mut Desk, place: history::Place) {
        desk.place = place;
        desk.recent = Arc::new(Recent::nothing(place));
        desk.positions.restart(place);
        self.has_walked_to(place);
    }

    pub(crate) fn leave(&self, place: Place) {
        let waker = {
            let mut senders = self.senders.lock();
            let desk = &mut *self.desk.lock();
            let sender = &mut senders[place as usize];
            self.catch_up(sender);
            sender.mark = Some(Mark::Gone);
            let waker = sender.wake();
            desk.gone.push(place);
            let left = self.occupied.fetch_sub(1, Ordering::SeqCst) - 1;
            // An eighth at a time: a sweep passes over whole topics.
            if !desk.walking && desk.gone.len() > left / 8 {
                desk.sweep(&senders);
            }
            waker
        };
        drop(waker);
        self.stats.subscribers.sub(1);
    }

    /// Decides what a stream does next, and keeps its waker when that is nothing.
    pub(crate) fn next(&self, place: Place, told: EventId, waker: &Waker) -> Next {
        let replaced = {
            let mut senders = self.senders.lock();
            let desk = &mut *self.desk.lock();
            let sender = &mut senders[place as usize];
            sender.told = told;
            if let Some(next) = self.decide(sender, desk) {
                return next;
            }
            sender.register(waker)
        };
        drop(replaced);
        Next::Wait
    }

    fn decide(&self, sender: &mut Sender, desk: &mut Desk) -> Option<Next> {
        if let Some(end) = sender.must_end_now() {
            return Some(end);
        }
        if let Some(gap) = sender.due.gap.take() {
            return Some(Next::Gap(gap));
        }
        if let Cursor::At(id) = sender.cursor {
            if id < desk.recent.tail.from.id {
                return Some(Next::Read(id));
            }
            self.catch_up(sender);
            sender.cursor = Cursor::Live(id.max(desk.place.id));
            if id < desk.place.id {
                return Some(Next::Live(Arc::clone(&desk.recent), id));
            }
        }
        if let Some(Mark::Drain { retry, .. }) = sender.mark {
            return Some(Next::End(Some(retry)));
        }
        if let Some((at, frame)) = desk.positions.owed(sender.told) {
            return Some(Next::Position(at, frame));
        }
        std::mem::take(&mut sender.due.ping).then_some(Next::Ping)
    }

    /// A sender has read history up to here.
    pub(crate) fn has_read(&self, place: Place, to: EventId) {
        let mut senders = self.senders.lock();
        let desk = self.desk.lock();
        let sender = &mut senders[place as usize];
        // Of another epoch, it would stand for nothing: the gap that is due says where to go on.
        if sender.due.gap.is_some() {
            return;
        }
        if to < desk.recent.tail.from.id {
            sender.cursor = Cursor::At(to);
            return;
        }
        // It stands right before what is due, so that history overtakes it only with that.
        self.catch_up(sender);
        let next = desk.recent.next(&sender.selector, to);
        sender.cursor = next.map_or(Cursor::Live(to), Cursor::At);
    }

    /// Takes over the duty to walk, unless somebody has it.
    pub(crate) fn attend(self: &Arc<Self>) -> Option<Attended> {
        let free = !self.attended.swap(true, Ordering::SeqCst);
        free.then(|| Attended(Arc::clone(self)))
    }

    pub(crate) fn is_attended(&self) -> bool {
        self.attended.load(Ordering::SeqCst)
    }

    pub(crate) fn is_occupied(&self) -> bool {
        self.occupied.load(Ordering::SeqCst) > 0
    }

    /// How far the walks have come, if anybody waits for them.
    pub(crate) fn walked(&self) -> Option<Size> {
        (self.is_occupied() && self.is_attended()).then(|| Size {
            events: self.walked_events.load(Ordering::SeqCst),
            bytes: self.walked_bytes.load(Ordering::SeqCst),
        })
    }

    fn has_walked_to(&self, place: history::Place) {
        self.walked_events.store(place.number, Ordering::SeqCst);
        self.walked_bytes.store(place.bytes, Ordering::SeqCst);
    }

    /// Tells everybody concerned of what came since the last walk; false when nothing had come.
    pub(crate) async fn walk(&self, window: &Window) -> bool {
        let Some(mut walk) = self.begin(window) else {
            return false;
        };
        while self.visit(&mut walk) {
            tokio::task::yield_now().await;
        }
        true
    }

    fn begin(&self, window: &Window) -> Option<Walk<'_>> {
        let _senders = self.senders.lock();
        let desk = &mut *self.desk.lock();
        if !self.is_occupied() {
            self.move_to(desk, window.head());
            return None;
        }
        let tail = window.after(desk.place, EVENTS_PER_WALK);
        if tail.events.is_empty() && !tail.lost {
            return None;
        }
        let before = desk.place;
        if tail.to.epoch != before.epoch {
            desk.positions.forget();
        }
        let matches = (!tail.lost).then(|| desk.index.matches(&tail));
        desk.place = tail.to;
        desk.recent = Arc::new(Recent::new(tail));
        desk.walking = true;
        Some(Walk {
            shard: self,
            matches,
            next: 0,
            is_done: false,
            slice: Arc::clone(&desk.recent),
            before,
        })
    }

    /// Visits the next senders; false when there are no more.
    fn visit(&self, walk: &mut Walk<'_>) -> bool {
        let mut wakers = Vec::new();
        let mut senders = self.senders.lock();
        let first = walk.next;
        let end = match &walk.matches {
            Some(matches) => matches.len(),
            None => senders.len(),
        };
        walk.next = end.min(first + VISITS_PER_LOCK);
        match &walk.matches {
            Some(matches) => {
                for (place, from) in &matches[first..walk.next] {
                    let sender = &mut senders[*place as usize];
                    wakers.extend(self.offer(sender, *from, walk));
                }
            }
            None => {
                for sender in &mut senders[first..walk.next] {
                    wakers.extend(lose(sender, walk));
                }
            }
        }
        drop(senders);
        wakers.into_iter().for_each(Waker::wake);
        walk.is_done = walk.next == end;
        !walk.is_done
    }

    fn offer(&self, sender: &mut Sender, from: EventId, walk: &Walk<'_>) -> Option<Waker> {
        if sender.is_gone() {
            return None;
        }
        match sender.cursor {
            // It has some of this, or all: by a replay that read further than the walks had come, or
            // by a poll since this walk first came by.
            Cursor::Live(read) if from < read => {
                let from = walk.slice.next(&sender.selector, read)?;
                sender.offer(from)
            }
            Cursor::Live(_) => sender.offer(from),
            Cursor::At(id) => {
                // Not what this very walk has just told it.
                if id < walk.before.id && !std::mem::replace(&mut sender.behind, true) {
                    self.stats.behind.add(1);
                }
                None
            }
            Cursor::Opening => None,
        }
    }

    fn catch_up(&self, sender: &mut Sender) {
        if std::mem::take(&mut sender.behind) {
            self.stats.behind.sub(1);
        }
    }

    fn finish(&self, walk: &Walk<'_>) {
        let overdue = {
            let senders = self.senders.lock();
            let desk = &mut *self.desk.lock();
            desk.walking = false;
            desk.sweep(&senders);
            self.has_walked_to(desk.place);
            // Elsewhere it starts anew, with who joined when everybody had left.
            let is_here = desk.place == walk.slice.tail.to;
            is_here
                .then(|| desk.positions.walked(&walk.slice.tail))
                .flatten()
        };
        if let Some(stored) = walk.slice.tail.events.first() {
            self.stats
                .fan_out_latency
                .observe(stored.appended().elapsed());
        }
        if let Some(overdue) = overdue {
            self.tell_position(overdue);
        }
    }

    /// Wakes the live streams that have heard of nothing since `overdue`: a position is owed to them.
    fn tell_position(&self, overdue: EventId) {
        self.each(|sender| matches!(sender.cursor, Cursor::Live(_)) && sender.told <= overdue);
    }

    /// A ping to everybody, the end for those whose grant is over, and the places of those that are
    /// gone for others to take.
    pub(crate) fn prune_stale(&self, now: Instant) {
        self.each(|sender| {
            if sender.selector.has_ended(now) {
                sender.mark = Some(Mark::Expired);
            }
            sender.due.ping = true;
            true
        });
        let overdue = {
            let senders = self.senders.lock();
            let desk = &mut *self.desk.lock();
            if desk.walking {
                return;
            }
            desk.sweep(&senders);
            desk.positions.waited(desk.place)
        };
        if let Some(overdue) = overdue {
            self.tell_position(overdue);
        }
    }

    /// Marks everybody for the end: each with a reconnection time of its own below `spread`.
    pub(crate) fn drain(&self, spread: Duration, deadline: Instant) {
        let spread_ms = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX).max(1);
        self.each(|sender| {
            let retry = crate::sse::RETRY + Duration::from_millis(fastrand::u64(0..spread_ms));
            sender.mark.get_or_insert(Mark::Drain { retry, deadline });
            true
        });
    }

    /// Wakes everybody, for instance because a deadline has passed.
    pub(crate) fn wake_all(&self) {
        self.each(|_| true);
    }

    /// Changes every sender that is there, in bounded holds of the lock, and wakes those for which
    /// `change` says so.
    fn each(&self, mut change: impl FnMut(&mut Sender) -> bool) {
        let mut next = 0;
        loop {
            let mut wakers = Vec::new();
            let mut senders = self.senders.lock();
            let end = senders.len().min(next + VISITS_PER_LOCK);
            for sender in &mut senders[next..end] {
                if !sender.is_gone() && change(sender) {
                    wakers.extend(sender.wake());
                }
            }
            let done = end == senders.len();
            drop(senders);
            wakers.into_iter().for_each(Waker::wake);
            next = end;
            if done {
                return;
            }
        }
    }
}

/// What a sender stood before is not in the window any more: one of another epoch is set to where
/// that goes on, after a gap; any other reads on from history, which knows what is lost.
fn lose(sender: &mut Sender, walk: &Walk<'_>) -> Option<Waker> {
    if sender.is_gone() {
        return None;
    }
    let from = walk.slice.tail.from;
    if from.epoch != walk.before.epoch {
        let lost = sender.due.gap.map_or(sender.told, |gap| gap.lost);
        sender.due.gap = Some(Gap { lost, at: from.id });
        return sender.offer(from.id);
    }
    match sender.cursor {
        // One that joined during this walk, or has read ahead, has lost nothing.
        Cursor::Live(read) => sender.offer(read.max(walk.before.id)),
        Cursor::At(_) | Cursor::Opening => None,
    }
}

impl Drop for Walk<'_> {
    /// Goes to the end also where the task that walks is dropped in the middle: nobody else will tell
    /// the rest of what this walk has taken on.
    fn drop(&mut self) {
        let shard = self.shard;
        while !self.is_done {
            shard.visit(self);
        }
        shard.finish(self);
    }
}

impl Sender {
    fn must_end_now(&self) -> Option<Next> {
        match self.mark? {
            Mark::Expired | Mark::Gone => Some(Next::End(None)),
            Mark::Drain { retry, deadline } if Instant::now() >= deadline => {
                Some(Next::End(Some(retry)))
            }
            Mark::Drain { .. } => None,
        }
    }
}

impl Desk {
    /// Frees the places of those that are gone. Never during a walk.
    fn sweep(&mut self, senders: &[Sender]) {
        if self.gone.is_empty() {
            return;
        }
        let sender = |place: Place| &senders[place as usize];
        let selectors = self.gone.iter().map(|place| &*sender(*place).selector);
        self.index.sweep(selectors, |place| sender(place).is_gone());
        self.free.append(&mut self.gone);
    }
}

impl Recent {
    fn new(tail: Tail) -> Self {
        Self {
            tail,
            joined: Mutex::default(),
        }
    }

    fn nothing(place: history::Place) -> Self {
        Self::new(Tail {
            from: place,
            to: place,
            events: Vec::new(),
            lost: false,
        })
    }

    /// The position right before the first event after `after` that the selector admits.
    fn next(&self, selector: &Selector, after: EventId) -> Option<EventId> {
        let events = &self.tail.events;
        let first = events.partition_point(|stored| stored.id() <= after);
        let skip = events[first..]
            .iter()
            .position(|stored| selector.admits(stored.event()))?;
        let before = (first + skip)
            .checked_sub(1)
            .map_or(self.tail.from.id, |i| events[i].id());
        Some(before.max(after))
    }

    /// Everything after `after` that the selector admits, in one piece; what more than one
    /// subscriber is due is joined once.
    pub(crate) fn batch(
        &self,
        selector: &Arc<Selector>,
        form: Form,
        after: EventId,
    ) -> Option<Batch> {
        let first = self
            .tail
            .events
            .partition_point(|stored| stored.id() <= after);
        let events = &self.tail.events[first..];
        if let [stored] = events {
            return selector.admits(stored.event()).then(|| Batch {
                bytes: Frame::of(stored, form).clone(),
                events: 1,
                last: stored.id(),
            });
        }
        let key = (Arc::clone(selector), form, after);
        if let Some(batch) = self.joined.lock().get(&key) {
            return Some(batch.clone());
        }
        let due: Vec<_> = events
            .iter()
            .filter(|stored| selector.admits(stored.event()))
            .collect();
        let batch = join(&due, form)?;
        self.joined.lock().insert(key, batch.clone());
        Some(batch)
    }
}

/// The frames of these events, one behind the other; `None` for no events.
pub(crate) fn join<S: AsRef<crate::event::Stored>>(events: &[S], form: Form) -> Option<Batch> {
    let last = events.last()?.as_ref().id();
    let frames = events.iter().map(|stored| Frame::of(stored.as_ref(), form));
    let bytes = if let [stored] = events {
        Frame::of(stored.as_ref(), form).clone()
    } else {
        let mut joined = Vec::with_capacity(frames.clone().map(Bytes::len).sum());
        frames.for_each(|frame| joined.extend_from_slice(frame));
        joined.into()
    };
    Some(Batch {
        bytes,
        events: events.len() as u64,
        last,
    })
}

/// A shard has a task that walks it, until this is dropped.
pub(crate) struct Attended(Arc<Shard>);

impl Drop for Attended {
    fn drop(&mut self) {
        self.0.attended.store(false, Ordering::SeqCst);
    }
}
