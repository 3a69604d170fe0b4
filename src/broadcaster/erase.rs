//! Erases the events of a topic.

use super::{Broadcaster, PublishError, size::Size};
use crate::{
    event::Topic,
    history::{EraseScope, Erased, Erasure, ReservationGuard},
};

impl Broadcaster {
    /// Erases the events of a topic that history holds, also those that have other topics, and returns how many. What is
    /// left of each keeps its place: a subscriber that resumes from before one gets a
    /// [`Notice::Gap`](crate::sse::Notice::Gap). Subscribers that were sent them are not told. On other nodes that share
    /// history they are gone once these have come to the same position. When it returns, the erasure is as durable as a
    /// publish. Dropping the future may leave a part of them.
    ///
    /// ```
    /// # use sse_broadcaster::{Broadcaster, Event, Memory, Options, Selector, Start, history::Retention};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
    /// broadcaster.publish(Event::builder("moved").topic("users/7").build()?).await?;
    /// broadcaster.publish(Event::builder("rain").topic("weather").build()?).await?;
    ///
    /// assert_eq!(broadcaster.erase(&"users/7".parse()?).await?, 1);
    /// let mut reader = broadcaster.read_history(Selector::all(), Start::Earliest, 100).await?;
    /// let left = reader.next().await?.unwrap_or_default();
    /// assert_eq!(left[0].event().data(), "rain");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`publish`](Self::publish). Some of the events may be erased then; a further call erases the others.
    pub async fn erase(&self, topic: &Topic) -> Result<u64, PublishError> {
        let mut erasure = Erasure {
            topic: topic.clone(),
            up_to: None,
            scope: EraseScope::Every,
        };
        let mut events = 0;
        loop {
            let erased = self.erase_some(erasure.clone()).await?;
            events += erased.events as u64;
            if !erased.more {
                return Ok(events);
            }
            // What is published meanwhile stays, so that it comes to an end.
            erasure.up_to = erasure.up_to.or_else(|| Some(self.bounds().head));
        }
    }

    async fn erase_some(&self, erasure: Erasure) -> Result<Erased, PublishError> {
        let inner = &*self.inner;
        let size = Size {
            events: 1,
            bytes: erasure.event(inner.window.head().id).most_memory() as u64,
        };
        let reservation = inner
            .quota
            .reserve(size, inner.options.publish_wait)
            .await
            .ok_or(PublishError::Overloaded)?;
        if self.is_draining() {
            return Err(PublishError::Draining);
        }
        let reserved = ReservationGuard::new(reservation);
        Ok(inner.history.erase(erasure, reserved).await?)
    }
}
