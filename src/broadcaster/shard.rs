//! The subscribers that one worker thread serves, and the walk that tells them what is due.
//!
//! # The lock
//! `senders` is never held across an await, nor for more than [`VISITS_PER_LOCK`] senders. `state` is
//! only taken while `senders` is held, so nobody ever waits for it. Nothing that may drop a
//! [`Subscription`](super::Subscription), a waker among it, is dropped or woken under the lock.
//!
//! - The shard's place moves, under the lock, before a walk visits its first sender.
//! - A sender becomes live only if under the same lock its own cursor is at or past that place. One
//!   that joins during a walk starts at it.
//! - Slots keep their place during a walk: leaving marks, a sweep follows, and a marked slot is not
//!   used again before it.

use std::{
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::{
    index::{SenderIndex, TopicIndex},
    polls::Polls,
    position::Positions,
    size::Size,
    stats::Stats,
    window_slice::WindowSlice,
};
use crate::{
    event::{EventId, Selector},
    history::{self, Window},
    sse::{Cursor, EpochGap, Heartbeat, Mark, Sender},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

/// Most senders that are visited under one hold of the lock.
pub(super) const VISITS_PER_LOCK: usize = if cfg!(all(test, shuttle)) { 1 } else { 256 };

/// Most pings in a row: a reader that takes a stream block by block keeps them until a block ends, and
/// fails once that is longer than its buffer.
const MAX_PINGS: u8 = 32;

pub(crate) struct Shard {
    /// The subscribers. See the module for the rules of this lock.
    pub(super) senders: Mutex<Vec<Sender>>,
    pub(super) state: Mutex<ShardState>,
    /// Rung when there may be something to walk.
    pub(crate) bell: Notify,
    /// Senders that are not gone.
    occupied: AtomicUsize,
    /// A task walks this shard; without one nobody waits for it.
    attended: AtomicBool,
    walked_events: AtomicU64,
    walked_bytes: AtomicU64,
    pub(super) stats: Arc<Stats>,
}

/// What walks, joins and polls share beside the senders.
pub(super) struct ShardState {
    pub(super) index: TopicIndex,
    free: Vec<SenderIndex>,
    gone: Vec<SenderIndex>,
    /// Up to where the walks have come; a live sender stands here.
    pub(super) place: history::LogPosition,
    /// What the last walk was about: the shard's own slice of the window.
    pub(super) slice: Arc<WindowSlice>,
    pub(super) positions: Positions,
    pub(super) walking: bool,
    /// Until when a drain waits for what is due to be sent.
    drain_deadline: Option<Instant>,
}

/// What a polled stream has to do next.
pub(crate) enum Next {
    /// Nothing is due; the waker is registered.
    Wait,
    /// A heartbeat that no client sees as an event, or in its place a block.
    Ping { is_block: bool },
    /// One that it does, since it asked for it.
    Heartbeat,
    /// Everything up to this id was sent.
    Position(EventId),
    /// What comes after the id in the shard's slice; the sender counts as live. With `settled` nothing
    /// else is due, and the waker is registered.
    Live {
        slice: Arc<WindowSlice>,
        after: EventId,
        settled: bool,
    },
    /// Read on from history.
    Read(EventId),
    /// History went on under another epoch.
    Gap(EpochGap),
    /// Cuts the stream, behind this reconnection time where there is one.
    End(Option<Duration>),
}

impl Shard {
    pub(crate) fn new(window: &Window, stats: Arc<Stats>) -> Self {
        let place = window.head();
        Self {
            senders: Mutex::new(Vec::new()),
            state: Mutex::new(ShardState {
                index: TopicIndex::default(),
                free: Vec::new(),
                gone: Vec::new(),
                place,
                slice: Arc::new(WindowSlice::nothing(place)),
                positions: Positions::new(place, window.retention()),
                walking: false,
                drain_deadline: None,
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
        selector: &Arc<Selector>,
        live: bool,
    ) -> (SenderIndex, EventId) {
        let mut senders = self.senders.lock();
        let state = &mut *self.state.lock();
        // Counted before the head is read: what a publisher pushed that does not see it, and so rings
        // no bell, is before the head.
        if self.occupied.fetch_add(1, Ordering::SeqCst) == 0 {
            self.move_to(state, window.head());
        }
        let at = state.place.id;
        let cursor = if live {
            Cursor::Live(at)
        } else {
            Cursor::Opening
        };
        let sender = Sender::new(Arc::clone(selector), state.place.epoch, cursor, at);
        let place = if let Some(place) = state.free.pop() {
            senders[place as usize] = sender;
            place
        } else {
            let place = SenderIndex::try_from(senders.len()).expect("fewer than 2^32 subscribers");
            senders.push(sender);
            place
        };
        state.index.insert(selector, place);
        self.stats.subscribers.add(1);
        self.stats.subscribed.add(1);
        (place, at)
    }

    /// Passes over what nobody here was waiting for.
    pub(super) fn move_to(&self, state: &mut ShardState, place: history::LogPosition) {
        state.place = place;
        state.slice = Arc::new(WindowSlice::nothing(place));
        state.positions.restart(place);
        self.has_walked_to(place);
    }

    pub(crate) fn leave(&self, place: SenderIndex) {
        let waker = {
            let mut senders = self.senders.lock();
            let state = &mut *self.state.lock();
            let sender = &mut senders[place as usize];
            self.catch_up(sender);
            sender.mark = Some(Mark::Gone);
            let waker = sender.wake();
            state.gone.push(place);
            let left = self.occupied.fetch_sub(1, Ordering::SeqCst) - 1;
            // An eighth at a time: a sweep passes over whole topics.
            if !state.walking && state.gone.len() > left / 8 {
                state.sweep(&senders);
            }
            waker
        };
        drop(waker);
        self.stats.subscribers.sub(1);
    }

    /// Decides what a stream does next, and keeps its waker when that is nothing.
    pub(crate) fn next(&self, place: SenderIndex, last_sent: EventId, waker: &Waker) -> Next {
        let (next, replaced) = {
            let mut senders = self.senders.lock();
            let state = &mut *self.state.lock();
            let sender = &mut senders[place as usize];
            sender.last_sent = last_sent;
            let mut next = self.decide(sender, state);
            sender.has_been_sent(next.as_ref());
            let replaced = match &mut next {
                None => sender.register(waker),
                Some(Next::Live { settled, .. }) if sender.is_unmarked() => {
                    *settled = true;
                    sender.register(waker)
                }
                Some(_) => None,
            };
            (next, replaced)
        };
        drop(replaced);
        next.unwrap_or(Next::Wait)
    }

    fn decide(&self, sender: &mut Sender, state: &mut ShardState) -> Option<Next> {
        if let Some(end) = state.must_end_now(sender) {
            return Some(end);
        }
        if let Some(gap) = sender.due.gap.take() {
            return Some(Next::Gap(gap));
        }
        if sender.takes_heartbeat() {
            return Some(Next::Heartbeat);
        }
        // One of the two has yet to hear of another epoch: the walk that tells of it wakes this one.
        if sender.epoch != state.place.epoch {
            return None;
        }
        if let Cursor::At(id) = sender.cursor {
            if id < state.slice.tail.from.id {
                return Some(Next::Read(id));
            }
            self.catch_up(sender);
            sender.cursor = Cursor::Live(id.max(state.place.id));
            if id < state.place.id {
                return Some(Next::Live {
                    slice: Arc::clone(&state.slice),
                    after: id,
                    settled: false,
                });
            }
        }
        if let Some(Mark::Drain { retry_ms }) = sender.mark {
            return Some(Next::End(Some(Duration::from_millis(retry_ms.into()))));
        }
        if let Some(at) = state.positions.owed(sender.last_sent) {
            return Some(Next::Position(at));
        }
        sender.takes_ping()
    }

    /// What is due to a stream by the clock while it waits for history, between two blocks. Otherwise
    /// its waker is kept.
    pub(crate) fn meanwhile(&self, place: SenderIndex, waker: &Waker) -> Next {
        let (next, replaced) = {
            let mut senders = self.senders.lock();
            let state = self.state.lock();
            let sender = &mut senders[place as usize];
            let next = state.must_end_now(sender);
            let next = next.or_else(|| sender.takes_heartbeat().then_some(Next::Heartbeat));
            let next = next.or_else(|| sender.takes_ping());
            sender.has_been_sent(next.as_ref());
            let replaced = if next.is_none() {
                sender.register(waker)
            } else {
                None
            };
            (next, replaced)
        };
        drop(replaced);
        next.unwrap_or(Next::Wait)
    }

    /// A sender has read history of this epoch up to here, and is sent something of it or not. False where that was read behind a place
    /// in another epoch, so that it follows on nothing: a gap says where to go on.
    pub(crate) fn has_read(
        &self,
        window: &Window,
        place: SenderIndex,
        (epoch, to): (u64, EventId),
        is_sent: bool,
    ) -> bool {
        let mut senders = self.senders.lock();
        let state = self.state.lock();
        let sender = &mut senders[place as usize];
        if is_sent {
            (sender.quiet, sender.pings) = (0, 0);
        }
        if sender.cursor == Cursor::Opening {
            sender.begin_in(epoch, window.head().epoch);
        }
        if sender.due.gap.is_some() || sender.epoch != epoch {
            return false;
        }
        if epoch != state.place.epoch || to < state.slice.tail.from.id {
            sender.cursor = Cursor::At(to);
            return true;
        }
        // It stands right before what is due, so that history overtakes it only with that.
        self.catch_up(sender);
        let next = state.slice.next(&sender.selector, to);
        sender.cursor = next.map_or(Cursor::Live(to), Cursor::At);
        true
    }

    /// Has the stream sent a visible heartbeat every so often.
    pub(crate) fn set_heartbeat(&self, place: SenderIndex, every: Duration) {
        let due = Instant::now() + every;
        self.senders.lock()[place as usize].heartbeat = Some(Box::new(Heartbeat { every, due }));
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

    pub(super) fn has_walked_to(&self, place: history::LogPosition) {
        self.walked_events.store(place.number, Ordering::SeqCst);
        self.walked_bytes.store(place.bytes, Ordering::SeqCst);
    }

    pub(super) fn catch_up(&self, sender: &mut Sender) {
        if std::mem::take(&mut sender.behind) {
            self.stats.behind.sub(1);
        }
    }

    /// Wakes the live streams that have heard of nothing since `overdue`: a position is owed to them.
    pub(super) fn tell_position(&self, overdue: EventId) {
        self.each(|sender| matches!(sender.cursor, Cursor::Live(_)) && sender.last_sent <= overdue);
    }

    /// A ping or a heartbeat to those to which one falls due, the end for those whose grant is over,
    /// and the places of those that are gone for others to take.
    pub(crate) fn prune_stale(&self, now: Instant, polls: Polls) {
        self.each(|sender| {
            if sender.selector.has_ended(now) {
                sender.mark = Some(Mark::Expired);
            }
            sender.due.ping = sender.is_quiet_for(polls.per_ping);
            sender.due.heartbeat |= sender.has_heartbeat_by(now + polls.every);
            sender.due.ping || sender.due.heartbeat || sender.mark.is_some()
        });
        let overdue = {
            let senders = self.senders.lock();
            let state = &mut *self.state.lock();
            if state.walking {
                return;
            }
            state.sweep(&senders);
            state.positions.waited(state.place)
        };
        if let Some(overdue) = overdue {
            self.tell_position(overdue);
        }
    }

    /// Marks everybody for the end, each with a reconnection time of its own.
    pub(crate) fn drain(&self, retry: impl Fn() -> Duration, deadline: Instant) {
        {
            let _senders = self.senders.lock();
            self.state.lock().drain_deadline = Some(deadline);
        }
        self.each(|sender| {
            let retry_ms = u32::try_from(retry().as_millis()).unwrap_or(u32::MAX);
            sender.mark.get_or_insert(Mark::Drain { retry_ms });
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

impl Sender {
    /// Where it begins is history's to say, in whatever epoch; but if that had been replaced before a
    /// walk told of another, the gap to that one stands.
    fn begin_in(&mut self, epoch: u64, current: u64) {
        match &self.due.gap {
            Some(gap) if ![self.epoch, current].contains(&epoch) => {
                self.cursor = Cursor::At(gap.at);
            }
            _ => {
                self.epoch = epoch;
                self.due.gap = None;
            }
        }
    }

    /// Another look has found that nothing was sent to it; whether it is time for a ping.
    fn is_quiet_for(&mut self, polls: u16) -> bool {
        self.quiet = self.quiet.saturating_add(1);
        self.quiet >= polls
    }

    /// Its heartbeat falls due before the next look.
    fn has_heartbeat_by(&self, next_look: Instant) -> bool {
        let heartbeat = self.heartbeat.as_ref();
        heartbeat.is_some_and(|heartbeat| heartbeat.due < next_look)
    }

    fn takes_heartbeat(&mut self) -> bool {
        let is_due = std::mem::take(&mut self.due.heartbeat);
        if let Some(heartbeat) = self.heartbeat.as_mut().filter(|_| is_due) {
            heartbeat.due = Instant::now() + heartbeat.every;
        }
        is_due
    }

    /// Nothing is owed to it beside events. Of a `position` it hears when one falls due again.
    fn is_unmarked(&self) -> bool {
        self.mark.is_none() && !self.due.ping && !self.due.heartbeat && self.due.gap.is_none()
    }

    /// The ping that is due, if one is: in place of the last of [`MAX_PINGS`] in a row, a block.
    fn takes_ping(&mut self) -> Option<Next> {
        std::mem::take(&mut self.due.ping).then(|| Next::Ping {
            is_block: self.pings + 1 >= MAX_PINGS,
        })
    }

    fn has_been_sent(&mut self, next: Option<&Next>) {
        match next {
            // What comes of a read is not known yet.
            None | Some(Next::Wait | Next::Read(_)) => return,
            Some(Next::Ping { is_block: false }) => self.pings += 1,
            Some(_) => self.pings = 0,
        }
        self.quiet = 0;
    }
}

impl ShardState {
    fn must_end_now(&self, sender: &Sender) -> Option<Next> {
        match sender.mark? {
            Mark::Expired | Mark::Gone => Some(Next::End(None)),
            Mark::Drain { retry_ms } => {
                let is_over = self.drain_deadline? <= Instant::now();
                is_over.then(|| Next::End(Some(Duration::from_millis(retry_ms.into()))))
            }
        }
    }

    /// Frees the places of those that are gone. Never during a walk.
    pub(super) fn sweep(&mut self, senders: &[Sender]) {
        if self.gone.is_empty() {
            return;
        }
        let sender = |place: SenderIndex| &senders[place as usize];
        let selectors = self.gone.iter().map(|place| &*sender(*place).selector);
        self.index.sweep(selectors, |place| sender(place).is_gone());
        self.free.append(&mut self.gone);
    }
}

/// A shard has a task that walks it, until this is dropped.
pub(crate) struct Attended(Arc<Shard>);

impl Drop for Attended {
    fn drop(&mut self) {
        self.0.attended.store(false, Ordering::SeqCst);
    }
}
