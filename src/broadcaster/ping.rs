//! The task that looks at the clock.

use std::{sync::Weak, time::Instant};

use tokio::time::{MissedTickBehavior, interval};

use super::{inner::Inner, polls::Polls};

/// Pings quiet streams and prunes those that are stale, until the broadcaster is gone.
pub(super) async fn ping(broadcaster: Weak<Inner>, polls: Polls) {
    let mut ticks = interval(polls.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let Some(inner) = broadcaster.upgrade() else {
            return;
        };
        // Drops what has grown too old while nobody publishes.
        let _ = inner.history.bounds();
        inner.replays.forget_old(Instant::now());
        for shard in inner.shards.all() {
            shard.prune_stale(Instant::now(), polls);
        }
    }
}
