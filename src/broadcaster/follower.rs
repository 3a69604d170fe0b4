//! Notifies the shards of what comes into the window.

use std::sync::{Arc, Weak};

use futures_util::future::BoxFuture;

use super::{publish_quota::PublishQuota, shard::Shard, size::Size};
use crate::history::Follower;

pub(super) struct Following {
    pub(super) shards: Arc<[Arc<Shard>]>,
    pub(super) quota: Weak<PublishQuota>,
}

impl Follower for Following {
    fn pushed(&self) {
        for shard in self.shards.iter().filter(|shard| shard.is_occupied()) {
            shard.notify();
        }
    }

    fn room(&self, events: u64, bytes: u64) -> BoxFuture<'_, ()> {
        let quota = self.quota.upgrade();
        Box::pin(async move {
            if let Some(quota) = quota {
                quota.wait_for(Size { events, bytes }).await;
            }
        })
    }
}
