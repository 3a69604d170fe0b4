//! Which streams were woken.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

/// The index of a stream in its worker's list.
pub(in crate::http) type Slot = u32;

/// The streams that were woken, from any thread.
#[derive(Debug, Default)]
pub(in crate::http) struct Inbox {
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
    pub(in crate::http) fn nudge(&self) {
        self.worker.wake();
    }

    pub(in crate::http) fn is_empty(&self) -> bool {
        self.woken.lock().is_empty()
    }

    /// Takes all of them; `spare` is empty, and has room for the next.
    pub(in crate::http) fn take(&self, spare: Vec<Slot>) -> Vec<Slot> {
        std::mem::replace(&mut *self.woken.lock(), spare)
    }

    /// Sets the waker of the loop. True if a stream was woken already.
    pub(in crate::http) fn register(&self, worker: &Waker) -> bool {
        self.worker.register(worker);
        !self.is_empty()
    }
}

/// The waker of one stream, which is in the inbox at most once.
#[derive(Debug)]
pub(in crate::http) struct StreamWaker {
    inbox: Arc<Inbox>,
    slot: Slot,
    is_queued: AtomicBool,
}

impl StreamWaker {
    pub(in crate::http) fn new(inbox: &Arc<Inbox>, slot: Slot) -> Arc<Self> {
        Arc::new(Self {
            inbox: Arc::clone(inbox),
            slot,
            is_queued: AtomicBool::new(false),
        })
    }

    /// Must be called before the stream is polled, so that no later wake is missed.
    pub(in crate::http) fn reset(&self) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_in_the_inbox_once_until_it_is_served() {
        let inbox = Arc::new(Inbox::default());
        let waker = StreamWaker::new(&inbox, 3);
        waker.wake_by_ref();
        waker.wake_by_ref();
        assert_eq!(inbox.take(Vec::new()), [3]);
        waker.wake_by_ref();
        assert!(inbox.is_empty());
        waker.reset();
        waker.wake_by_ref();
        assert_eq!(inbox.take(Vec::new()), [3]);
    }
}
