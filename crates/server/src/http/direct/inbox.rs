//! Which streams were woken, and in which order they are served.
//!
//! The streams that were woken between two turns are a group, and each turn serves some streams of every group:
//! a fan-out to many streams does not delay a later one to few. A stream is sent everything that is due when it
//! is served, so that groups do not change the order of events.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

/// The index of a stream in its worker's list.
pub(super) type Slot = u32;

/// Most groups. When there are so many, further streams join the last one.
const MAX_GROUPS: usize = 16;
/// How many streams of each group are served in one turn.
const PER_GROUP: usize = 16;
/// How many streams a turn serves at least, if so many were woken. Between turns the worker accepts connections
/// and serves requests.
const PER_TURN: usize = 64;

/// The streams that were woken, from any thread.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    woken: Mutex<Vec<Slot>>,
    worker: AtomicWaker,
}

impl Inbox {
    fn push(&self, slot: Slot) {
        let was_empty = {
            let mut woken = self.woken.lock();
            woken.push(slot);
            woken.len() == 1
        };
        if was_empty {
            self.worker.wake();
        }
    }

    /// Wakes the loop, so that it takes note of a new timer.
    pub(super) fn nudge(&self) {
        self.worker.wake();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.woken.lock().is_empty()
    }

    /// Sets the waker of the loop. True if a stream was woken already.
    pub(super) fn register(&self, worker: &Waker) -> bool {
        self.worker.register(worker);
        !self.is_empty()
    }
}

/// The waker of one stream, which is in the inbox at most once.
#[derive(Debug)]
pub(super) struct StreamWaker {
    inbox: Arc<Inbox>,
    slot: Slot,
    is_queued: AtomicBool,
}

impl StreamWaker {
    pub(super) fn new(inbox: &Arc<Inbox>, slot: Slot) -> Arc<Self> {
        Arc::new(Self {
            inbox: Arc::clone(inbox),
            slot,
            is_queued: AtomicBool::new(false),
        })
    }

    /// Must be called before the stream is polled, so that no later wake is missed.
    pub(super) fn reset(&self) {
        self.is_queued.store(false, Ordering::SeqCst);
    }
}

impl Wake for StreamWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::SeqCst) {
            self.inbox.push(self.slot);
        }
    }
}

/// The groups of streams that are to be served.
#[derive(Debug, Default)]
pub(super) struct Turns {
    groups: VecDeque<Group>,
    spare: Vec<Slot>,
}

#[derive(Debug)]
struct Group {
    slots: Vec<Slot>,
    served: usize,
}

impl Turns {
    /// Takes the streams of the inbox as a group.
    pub(super) fn take_group(&mut self, inbox: &Inbox) {
        let mut woken = inbox.woken.lock();
        if woken.is_empty() {
            return;
        }
        let is_full = self.groups.len() >= MAX_GROUPS;
        match self.groups.back_mut() {
            Some(last) if is_full => last.slots.append(&mut woken),
            _ => {
                let spare = std::mem::take(&mut self.spare);
                let slots = std::mem::replace(&mut *woken, spare);
                self.groups.push_back(Group { slots, served: 0 });
            }
        }
    }

    /// Appends the streams of the next turn to `turn`.
    pub(super) fn next(&mut self, turn: &mut Vec<Slot>) {
        let each = PER_GROUP.max(PER_TURN / self.groups.len().max(1));
        for group in &mut self.groups {
            let end = group.slots.len().min(group.served + each);
            turn.extend_from_slice(&group.slots[group.served..end]);
            group.served = end;
        }
        let spare = &mut self.spare;
        self.groups.retain_mut(|group| {
            let waits = group.served < group.slots.len();
            if !waits {
                *spare = std::mem::take(&mut group.slots);
                spare.clear();
            }
            waits
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn woken(inbox: &Arc<Inbox>, slots: std::ops::Range<Slot>) -> Vec<Arc<StreamWaker>> {
        let wakers: Vec<_> = slots.map(|slot| StreamWaker::new(inbox, slot)).collect();
        wakers.iter().for_each(Wake::wake_by_ref);
        wakers
    }

    #[test]
    fn few_streams_that_are_woken_after_many_are_served_in_the_next_turn() {
        let inbox = Arc::new(Inbox::default());
        let (mut turns, mut turn) = (Turns::default(), Vec::new());
        let _many = woken(&inbox, 0..10_000);
        turns.take_group(&inbox);
        turns.next(&mut turn);
        let _few = woken(&inbox, 20_000..20_003);
        turns.take_group(&inbox);
        turn.clear();
        turns.next(&mut turn);
        assert!(turn.contains(&20_000) && turn.contains(&20_002));
        assert!(turn.len() <= 2 * PER_TURN, "{}", turn.len());
    }

    #[test]
    fn every_stream_is_served_once_in_bounded_turns_however_many_groups_there_were() {
        let inbox = Arc::new(Inbox::default());
        let (mut turns, mut served) = (Turns::default(), Vec::new());
        for group in 0..100 {
            let _wakers = woken(&inbox, group * 100..group * 100 + 100);
            turns.take_group(&inbox);
        }
        while !turns.is_empty() {
            let before = served.len();
            turns.next(&mut served);
            assert!((1..=PER_GROUP * MAX_GROUPS).contains(&(served.len() - before)));
        }
        served.sort_unstable();
        assert_eq!(served, (0..10_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_stream_is_in_the_inbox_once_until_it_is_served() {
        let inbox = Arc::new(Inbox::default());
        let wakers = woken(&inbox, 0..1);
        wakers[0].wake_by_ref();
        assert_eq!(inbox.woken.lock().len(), 1);
        wakers[0].reset();
        wakers[0].wake_by_ref();
        assert_eq!(inbox.woken.lock().len(), 2);
    }
}
