//! Which thread's subscribers belong to which shard.

use std::{
    cell::RefCell,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::shard::Shard;

type Indexes = Vec<(Weak<[Arc<Shard>]>, usize)>;

/// The shards of one broadcaster. Each thread that asks has one; threads share where there are more of them.
pub(super) struct ThreadShards {
    shards: Arc<[Arc<Shard>]>,
    /// Threads that have asked.
    threads: AtomicUsize,
}

thread_local! {
    /// This thread's index among the shards of each broadcaster.
    static INDEXES: RefCell<Indexes> = const { RefCell::new(Vec::new()) };
}

impl ThreadShards {
    pub(super) fn new(shards: Arc<[Arc<Shard>]>) -> Self {
        Self {
            shards,
            threads: AtomicUsize::new(0),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Shard> {
        self.shards.iter().map(Arc::as_ref)
    }

    pub(super) fn of_this_thread(&self) -> &Arc<Shard> {
        let index = INDEXES.with_borrow_mut(|indexes| {
            indexes.retain(|(shards, _)| shards.strong_count() > 0);
            let is_ours =
                |shards: &Weak<_>| std::ptr::addr_eq(shards.as_ptr(), Arc::as_ptr(&self.shards));
            if let Some((_, index)) = indexes.iter().find(|(shards, _)| is_ours(shards)) {
                return *index;
            }
            let index = self.threads.fetch_add(1, Ordering::Relaxed) % self.shards.len();
            indexes.push((Arc::downgrade(&self.shards), index));
            index
        });
        &self.shards[index]
    }
}
