//! How many connections there may be, and which of them are closed to make room for others.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
};

use parking_lot::Mutex;

/// How many connections there may be, and those that are idle, for all workers.
#[derive(Debug)]
pub(crate) struct Capacity {
    max: usize,
    open: Arc<AtomicUsize>,
    idle: Mutex<Idle>,
}

/// Connections between two requests, in the order in which they became idle.
#[derive(Debug, Default)]
struct Idle {
    next: u64,
    wakers: BTreeMap<u64, Waker>,
}

impl Capacity {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            open: Arc::default(),
            idle: Mutex::default(),
        })
    }

    /// Counts a connection until the returned value is dropped. At the limit, the connection that has been idle
    /// longest is closed; `None` if none is idle.
    pub(crate) fn count(&self) -> Option<Counted> {
        let counted = Counted::among(&self.open);
        if self.open.load(Ordering::Relaxed) <= self.max || self.close_idle() {
            return Some(counted);
        }
        None
    }

    fn close_idle(&self) -> bool {
        let oldest = self.idle.lock().wakers.pop_first();
        // When it is polled, it finds that it is no longer listed.
        oldest.map(|(_, waker)| waker.wake()).is_some()
    }

    /// Lists a connection as idle. It is woken when it is to be closed.
    pub(crate) fn list(self: &Arc<Self>, waker: Waker) -> Listed {
        let mut idle = self.idle.lock();
        let number = idle.next;
        idle.next += 1;
        idle.wakers.insert(number, waker);
        Listed {
            capacity: Arc::clone(self),
            number,
        }
    }
}

/// Lists a connection as idle until it is dropped.
#[derive(Debug)]
pub(crate) struct Listed {
    capacity: Arc<Capacity>,
    number: u64,
}

impl Listed {
    /// Whether the connection is to be closed to make room for another.
    pub(crate) fn is_displaced(&self) -> bool {
        !self.capacity.idle.lock().wakers.contains_key(&self.number)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let waker = self.capacity.idle.lock().wakers.remove(&self.number);
        // Not under the lock: dropping the waker may drop its task.
        drop(waker);
    }
}

/// Counts one connection or stream until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub(crate) fn among(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_the_most_connections_the_one_idle_longest_makes_room() {
        let capacity = Capacity::new(2);
        let _open = [capacity.count().unwrap(), capacity.count().unwrap()];
        assert!(capacity.count().is_none(), "none is idle");
        let [first, second] = [0, 1].map(|_| capacity.list(Waker::noop().clone()));
        let _third = capacity.count().unwrap();
        assert!(first.is_displaced() && !second.is_displaced());
        drop(second);
        assert!(capacity.count().is_none(), "none is idle any more");
    }
}
