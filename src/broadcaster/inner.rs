//! What a broadcaster's handles, its streams and its tasks share.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{runtime::Handle, sync::Semaphore};

use super::{
    options::Options, publish_quota::PublishQuota, replay::ReplayReader, shard::Shard,
    stats::Stats, subscriber_count::SubscriberCount, thread_shards::ThreadShards,
    visible_positions::VisiblePositions,
};
use crate::history::{History, Window};

pub(super) struct Inner {
    pub(super) history: Arc<dyn History>,
    /// The newest events of `history`.
    pub(super) window: Arc<Window>,
    pub(super) shards: ThreadShards,
    pub(super) quota: Arc<PublishQuota>,
    pub(super) replays: ReplayReader,
    pub(super) positions: VisiblePositions,
    /// One search for an alias at a time: each reads thousands of events.
    pub(super) alias_search: Semaphore,
    pub(super) subscribers: SubscriberCount,
    pub(super) stats: Arc<Stats>,
    pub(super) options: Options,
    pub(super) runtime: Handle,
    pub(super) draining: AtomicBool,
}

impl Inner {
    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// A subscriber has left its shard.
    pub(super) fn has_left(&self) {
        self.subscribers.leave();
        // A shard without subscribers makes no publisher wait.
        self.quota.freed();
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("options", &self.options)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The tasks that walk end with the broadcaster.
        self.shards.all().for_each(Shard::notify);
    }
}
