use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use tokio::time::timeout_at;

use super::{Broadcaster, reconnects};

impl Broadcaster {
    /// Ends every stream so that its client comes back: publishing ends, what was published is
    /// delivered, each stream is sent a reconnection time of its own, the more streams the more they
    /// differ but by no more than `within`, and is cut. Returns once all are gone, or after `within`, when the
    /// history is closed.
    ///
    /// Dropping the future takes nothing back: publishing stays ended, and streams that were asked to end do so
    /// with what is due to them. Those that were not asked yet stay open, nobody ends them after `within`, and the
    /// history is not closed. A further call goes on.
    ///
    /// ```
    /// use std::time::Duration;
    /// use futures_util::StreamExt as _;
    /// use sse_broadcaster::{
    ///     Broadcaster, Event, Memory, Options, Selector, Start, broadcaster::PublishError,
    ///     history::Retention,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
    /// let subscription = broadcaster.subscribe(Selector::all(), Start::Live)?;
    /// let reading = tokio::spawn(subscription.count());
    ///
    /// broadcaster.drain(Duration::from_secs(5)).await;
    /// assert!(reading.await? > 0, "the stream has ended");
    /// let refused = broadcaster.publish(Event::builder("late").build()?).await;
    /// assert_eq!(refused.unwrap_err(), PublishError::Draining);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn drain(&self, within: Duration) {
        let inner = &*self.inner;
        let deadline = Instant::now() + within;
        inner.draining.store(true, Ordering::SeqCst);
        while !inner.quota.is_free() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let streams = inner.subscribers.get();
        for shard in inner.shards.all() {
            shard.drain(|| reconnects::drained(streams, within), deadline);
        }
        let _ = timeout_at(deadline.into(), inner.subscribers.until_none()).await;
        for shard in inner.shards.all() {
            shard.wake_all();
        }
        inner.history.close().await;
    }

    /// Whether [`drain`](Self::drain) was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.inner.is_draining()
    }
}
