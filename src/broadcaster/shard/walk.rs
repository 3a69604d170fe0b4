//! One walk of a shard: it takes what came since the last, and wakes the senders that match in bounded
//! holds of the lock. See `shard.rs` for the lock's rules.

use std::task::Waker;

use super::{
    Shard, VISITS_PER_LOCK,
    recent::{LeftOver, position_before},
    sender_indexes::SenderIndex,
};
use crate::{
    broadcaster::observer::Delivery,
    event::{EventId, Selector},
    history::{Limit, LogPosition, Tail, Window},
    sse::{Cursor, Sender},
};

/// Most that one walk is about: every stream that it wakes may hold so much until its socket takes it.
const PER_WALK: Limit = Limit {
    events: if cfg!(all(test, shuttle)) { 2 } else { 1_024 },
    bytes: 128 << 10,
};

/// How often a walk takes the lock before it yields to other tasks. Its own work is short beside that of the
/// streams that it wakes: if it yielded after each hold, the walk of another topic's event would wait for most of
/// their writes.
const HOLDS_PER_TURN: usize = if cfg!(all(test, shuttle)) { 1 } else { 16 };

struct Walk<'a> {
    shard: &'a Shard,
    window: &'a Window,
    /// `None`: all senders, since what comes after their cursors is lost.
    matches: Option<Vec<(SenderIndex, EventId)>>,
    next: usize,
    is_done: bool,
    tail: Tail,
    before: LogPosition,
    woken: usize,
}

impl Shard {
    /// Wakes all senders that match what came since the last walk; false when nothing had come.
    pub(in crate::broadcaster) async fn walk(&self, window: &Window) -> bool {
        let Some(mut walk) = self.begin(window) else {
            return false;
        };
        let mut holds = 0_usize;
        while self.visit(&mut walk) {
            holds += 1;
            if holds.is_multiple_of(HOLDS_PER_TURN) {
                tokio::task::yield_now().await;
            }
        }
        true
    }

    fn begin<'a>(&'a self, window: &'a Window) -> Option<Walk<'a>> {
        let (walk, left_over) = self.begin_locked(window)?;
        drop(left_over);
        Some(walk)
    }

    fn begin_locked<'a>(&'a self, window: &'a Window) -> Option<(Walk<'a>, LeftOver)> {
        let _senders = self.senders.lock();
        let state = &mut *self.state.lock();
        if !self.is_occupied() {
            self.skip_to(state, window.head());
            return None;
        }
        let tail = window.after(state.position, PER_WALK);
        if tail.events.is_empty() && !tail.lost {
            return None;
        }
        let before = state.position;
        if tail.to.epoch != before.epoch {
            state.positions.forget();
        }
        let matches = (!tail.lost).then(|| state.index.matches(&tail));
        state.position = tail.to;
        let left_over = state.recent.extend(&tail, PER_WALK);
        state.is_walking = true;
        let walk = Walk {
            shard: self,
            window,
            matches,
            next: 0,
            is_done: false,
            tail,
            before,
            woken: 0,
        };
        Some((walk, left_over))
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
        if let Some(matches) = &walk.matches {
            walk.next = end.min(first + VISITS_PER_LOCK);
            for (index, from) in &matches[first..walk.next] {
                let sender = &mut senders[*index];
                wakers.extend(self.offer(sender, *from, walk));
            }
        } else {
            let current = walk.window.head().epoch;
            let visited = senders.starting_at_mut(first, VISITS_PER_LOCK);
            walk.next = first + visited.len();
            for sender in visited {
                wakers.extend(lose(sender, walk, current));
            }
        }
        drop(senders);
        walk.woken += wakers.len();
        wakers.into_iter().for_each(Waker::wake);
        walk.is_done = walk.next >= end;
        !walk.is_done
    }

    fn offer(&self, sender: &mut Sender, from: EventId, walk: &Walk<'_>) -> Option<Waker> {
        if sender.is_gone() {
            return None;
        }
        match sender.cursor {
            // It was sent some of this, or all: by a replay that read further than the walks had come, or
            // by a poll since this walk visited it first.
            Cursor::Live(read) if from < read => {
                let from = walk.next(&sender.selector, read)?;
                sender.offer(from)
            }
            // The index has no grants: a stream that may read none of this is not woken.
            Cursor::Live(_) if sender.selector.admits_by_grants() => {
                let from = walk.next(&sender.selector, from)?;
                sender.offer(from)
            }
            Cursor::Live(_) => sender.offer(from),
            Cursor::Due(id) => {
                // Not where this very walk has just woken it.
                if id < walk.before.id {
                    self.count_lagging(sender);
                }
                None
            }
            Cursor::Opening => None,
        }
    }

    fn finish(&self, walk: &Walk<'_>) {
        let (overdue, selectors) = {
            let mut senders = self.senders.lock();
            let state = &mut *self.state.lock();
            state.is_walking = false;
            let selectors = state.sweep(&mut senders);
            self.has_walked_to(state.position);
            if let Some(connections) = &mut state.connections {
                connections.has_offered(walk.tail.to.id);
            }
            // Elsewhere the shard was empty meanwhile, and began anew with the next that joined.
            let is_here = state.position == walk.tail.to;
            let overdue = is_here.then(|| state.positions.walked(&walk.tail));
            (overdue.flatten(), selectors)
        };
        drop(selectors);
        if let Some(stored) = walk.tail.events.first() {
            self.stats
                .fan_out_latency
                .observe(stored.appended().elapsed());
        }
        if let Some(overdue) = overdue {
            self.wake_overdue(overdue);
        }
        self.report_deliveries(walk);
    }

    fn report_deliveries(&self, walk: &Walk<'_>) {
        let Some(observer) = self.observer.as_ref().filter(|_| walk.woken > 0) else {
            return;
        };
        let events = &walk.tail.events;
        for stored in events {
            if let Some(traceparent) = stored.event().traceparent() {
                observer.delivered(&Delivery {
                    traceparent,
                    id: stored.id(),
                    event: stored.event(),
                    appended: stored.appended(),
                    woken: walk.woken,
                    events: events.len(),
                });
            }
        }
    }
}

/// What comes after a sender's cursor is not in the window any more. In another epoch it goes on where that does,
/// behind a gap; in the same one it reads on from history, which finds out what is lost. A sender that has begun in
/// the `current` epoch already is left to the walk that comes to that.
fn lose(sender: &mut Sender, walk: &Walk<'_>, current: u64) -> Option<Waker> {
    if sender.is_gone() {
        return None;
    }
    let from = walk.tail.from;
    if ![from.epoch, current].contains(&sender.epoch) {
        sender.gap = Some(Box::new(from.id));
        sender.epoch = from.epoch;
        if sender.cursor != Cursor::Opening {
            return sender.offer(from.id);
        }
    }
    // One that joined during this walk, or has read ahead, has lost nothing.
    match sender.cursor {
        Cursor::Live(read) if from.epoch == walk.before.epoch => {
            sender.offer(read.max(walk.before.id))
        }
        Cursor::Live(read) => sender.offer(read),
        Cursor::Due(_) => sender.wake(),
        Cursor::Opening => None,
    }
}

impl Walk<'_> {
    /// The position right before the first of its events after `after` that the selector admits.
    fn next(&self, selector: &Selector, after: EventId) -> Option<EventId> {
        let events = &self.tail.events;
        let first = events.partition_point(|stored| stored.id() <= after);
        position_before(
            events[first..].iter(),
            selector,
            self.tail.from.id.max(after),
        )
    }
}

impl Drop for Walk<'_> {
    /// Goes to the end also where the task that walks is dropped in the middle: no other walk visits the rest for
    /// this.
    fn drop(&mut self) {
        let shard = self.shard;
        while !self.is_done {
            shard.visit(self);
        }
        shard.finish(self);
    }
}
