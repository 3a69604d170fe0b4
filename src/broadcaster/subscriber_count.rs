//! How many subscribers there are, and when the last has left.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

pub(super) struct SubscriberCount {
    count: AtomicUsize,
    max: AtomicUsize,
    none_left: Notify,
}

impl SubscriberCount {
    pub(super) fn new(max: usize) -> Self {
        Self {
            count: AtomicUsize::new(0),
            max: AtomicUsize::new(max),
            none_left: Notify::new(),
        }
    }

    pub(super) fn set_max(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    pub(super) fn max(&self) -> usize {
        self.max.load(Ordering::Relaxed)
    }

    /// Counts one more; false where they are as many as may be.
    pub(super) fn join(&self) -> bool {
        let before = self.count.fetch_add(1, Ordering::SeqCst);
        let is_admitted = before < self.max();
        if !is_admitted {
            self.leave();
        }
        is_admitted
    }

    pub(super) fn leave(&self) {
        if self.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.none_left.notify_waiters();
        }
    }

    pub(super) fn get(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Returns when there are none.
    pub(super) async fn until_none(&self) {
        loop {
            let none_left = self.none_left.notified();
            tokio::pin!(none_left);
            // Registered before the check, so that the last one's leaving is not missed.
            none_left.as_mut().enable();
            if self.get() == 0 {
                return;
            }
            none_left.await;
        }
    }
}
