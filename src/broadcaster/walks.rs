//! The task that walks a shard.

use std::{
    future::Future,
    sync::{Arc, Weak},
};

use super::{Broadcaster, inner::Inner, shard::Attended};

impl Broadcaster {
    /// The walks of this thread's shard, to be spawned on the thread that polls its subscriptions:
    /// there a wake costs least, and subscriptions are polled before the next walk. Subscribing
    /// spawns it where nobody did. It ends with the broadcaster; dropped before that, publishers no longer wait for
    /// that shard.
    pub fn attend(&self) -> impl Future<Output = ()> + Send + 'static {
        let shard = Arc::clone(self.inner.shards.of_this_thread());
        let inner = Arc::downgrade(&self.inner);
        let attending = shard.attend().map(|attended| Attending {
            _attended: attended,
            _freed: FreedOnDrop(inner.clone()),
        });
        async move {
            let Some(_attending) = attending else { return };
            while let Some(inner) = inner.upgrade() {
                if shard.walk(&inner.window).await {
                    inner.quota.freed();
                    // Streams that were woken first: what they take now, the next walk need not offer.
                    tokio::task::yield_now().await;
                } else {
                    drop(inner);
                    shard.notified().await;
                }
            }
        }
    }
}

/// While it exists, publishers wait for the shard. The fields are dropped in this order: first nobody waits for
/// the shard any more, then those that do are woken.
struct Attending {
    _attended: Attended,
    _freed: FreedOnDrop,
}

struct FreedOnDrop(Weak<Inner>);

impl Drop for FreedOnDrop {
    fn drop(&mut self) {
        if let Some(inner) = self.0.upgrade() {
            inner.quota.freed();
        }
    }
}
