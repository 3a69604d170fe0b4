//! One walk of a shard: what came since the last is taken on at once, and its senders are told in
//! bounded holds of the lock. See `shard.rs` for the lock's rules.

use std::{sync::Arc, task::Waker};

use super::{
    index::SenderIndex,
    shard::{Shard, VISITS_PER_LOCK},
    window_slice::WindowSlice,
};
use crate::{
    event::EventId,
    history::{self, Limit, Window},
    sse::{Cursor, EpochGap, Sender},
};

/// Most that one walk takes on: every stream that it wakes may hold so much until its socket takes it.
const PER_WALK: Limit = Limit {
    events: if cfg!(all(test, shuttle)) { 2 } else { 1_024 },
    bytes: 128 << 10,
};

/// How often a walk takes the lock before others have their turn. What it does is short beside what
/// those that it wakes will do: were it as often interrupted, the walk of another topic's event would
/// wait for most of their writes.
const HOLDS_PER_TURN: usize = if cfg!(all(test, shuttle)) { 1 } else { 16 };

pub(super) struct Walk<'a> {
    shard: &'a Shard,
    window: &'a Window,
    /// `None`: everybody, since what they stand before is lost.
    matches: Option<Vec<(SenderIndex, EventId)>>,
    next: usize,
    is_done: bool,
    slice: Arc<WindowSlice>,
    before: history::LogPosition,
}

impl Shard {
    /// Tells everybody concerned of what came since the last walk; false when nothing had come.
    pub(crate) async fn walk(&self, window: &Window) -> bool {
        let Some(mut walk) = self.begin(window) else {
            return false;
        };
        let mut holds = 0;
        while self.visit(&mut walk) {
            holds += 1;
            if holds % HOLDS_PER_TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
        true
    }

    pub(super) fn begin<'a>(&'a self, window: &'a Window) -> Option<Walk<'a>> {
        let _senders = self.senders.lock();
        let state = &mut *self.state.lock();
        if !self.is_occupied() {
            self.move_to(state, window.head());
            return None;
        }
        let tail = window.after(state.place, PER_WALK);
        if tail.events.is_empty() && !tail.lost {
            return None;
        }
        let before = state.place;
        if tail.to.epoch != before.epoch {
            state.positions.forget();
        }
        let matches = (!tail.lost).then(|| state.index.matches(&tail));
        state.place = tail.to;
        state.slice = Arc::new(WindowSlice::new(tail));
        state.walking = true;
        Some(Walk {
            shard: self,
            window,
            matches,
            next: 0,
            is_done: false,
            slice: Arc::clone(&state.slice),
            before,
        })
    }

    /// Visits the next senders; false when there are no more.
    pub(super) fn visit(&self, walk: &mut Walk<'_>) -> bool {
        let mut wakers = Vec::new();
        let mut senders = self.senders.lock();
        let first = walk.next;
        let end = match &walk.matches {
            Some(matches) => matches.len(),
            None => senders.len(),
        };
        walk.next = end.min(first + VISITS_PER_LOCK);
        if let Some(matches) = &walk.matches {
            for (place, from) in &matches[first..walk.next] {
                let sender = &mut senders[*place as usize];
                wakers.extend(self.offer(sender, *from, walk));
            }
        } else {
            let current = walk.window.head().epoch;
            for sender in &mut senders[first..walk.next] {
                wakers.extend(lose(sender, walk, current));
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

    fn finish(&self, walk: &Walk<'_>) {
        let overdue = {
            let senders = self.senders.lock();
            let state = &mut *self.state.lock();
            state.walking = false;
            state.sweep(&senders);
            self.has_walked_to(state.place);
            // Elsewhere it starts anew, with who joined when everybody had left.
            let is_here = state.place == walk.slice.tail.to;
            is_here
                .then(|| state.positions.walked(&walk.slice.tail))
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
}

/// What senders stood before is not in the window any more: those of another epoch are set to where
/// that goes on, after a gap; the others read on from history, which knows what is lost.
/// What has begun in the `current` epoch already is left to the walk that comes to that.
fn lose(sender: &mut Sender, walk: &Walk<'_>, current: u64) -> Option<Waker> {
    if sender.is_gone() {
        return None;
    }
    let from = walk.slice.tail.from;
    if ![from.epoch, current].contains(&sender.epoch) {
        sender.due.gap = Some(EpochGap { at: from.id });
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
        Cursor::At(_) => sender.wake(),
        Cursor::Opening => None,
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
