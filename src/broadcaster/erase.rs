//! Erases the events of a topic.

use super::{Broadcaster, PublishError, size::Size};
use crate::{
    event::{EventId, Topic},
    history::{Batch, EraseScope, Erased, Erasure, Precondition, Retain, latest_key},
};

impl Broadcaster {
    /// Erases the events of a topic that history holds, also those that have other topics, and returns how many. The last
    /// event is not kept outside of retention any more. What is left of each event keeps its place: a subscriber that
    /// resumes from before it gets a [`Notice::Gap`](crate::sse::Notice::Gap). Subscribers that were sent the events are
    /// not told. On other nodes that share history they are gone once these nodes have come to the same position. When it
    /// returns, the erasure is as durable as a publish. Dropping the future may leave a part of the events.
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
        self.forget_latest(topic).await?;
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

    /// Removes the last event of a topic, which a [rule](super::Options::topic_rules) has kept outside of retention.
    async fn forget_latest(&self, topic: &Topic) -> Result<(), PublishError> {
        let key = latest_key(topic.as_str());
        let retained = self.inner.history.retained(&[&key]).await;
        let retained = retained.map_err(PublishError::Unavailable)?;
        let Some((_, at)) = retained.values.into_iter().flatten().next() else {
            return Ok(());
        };
        // A value is written with an event. This one erases nothing itself.
        let erasure = Erasure {
            topic: topic.clone(),
            up_to: None,
            scope: EraseScope::Every,
        };
        let batch = Batch::from(erasure.event(EventId::new(0, 0)))
            .retain(Retain::new(key.as_str(), None))
            .precondition(Precondition::new(key, Some(at)));
        match self.publish(batch).await {
            // Another one has been published meanwhile.
            Ok(_) | Err(PublishError::Conflict(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// One step, with its room in the window.
    pub(super) async fn erase_some(&self, erasure: Erasure) -> Result<Erased, PublishError> {
        let head = self.inner.window.head().id;
        let size = Size {
            events: 1,
            bytes: erasure.event(head).most_memory() as u64,
        };
        let reserved = self.reserve(size).await?;
        Ok(self.inner.history.erase(erasure, reserved).await?)
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _};

    use crate::{
        Event, Memory, Options, Selector,
        broadcaster::{Broadcaster, Item, Start, Subscription},
        history::Retention,
        sse::Notice,
    };

    async fn publish(broadcaster: &Broadcaster, topic: &str, data: String) -> String {
        let event = Event::builder(data).topic(topic).build().unwrap();
        broadcaster.publish_one(event).await.unwrap().to_string()
    }

    fn broadcaster() -> Broadcaster {
        Broadcaster::start(Memory::new(Retention::default()), Options::default()).unwrap()
    }

    /// What a stream yields until it waits: the data of events, and gaps.
    async fn seen(subscription: &mut Subscription) -> Vec<String> {
        let mut seen = Vec::new();
        // Replays and walks are tasks of this thread, which need a turn each.
        for _ in 0..1_000 {
            match subscription.next().now_or_never() {
                Some(Some(Item::Events(events))) => {
                    seen.extend(events.iter().map(|found| found.event().data().to_owned()));
                }
                Some(Some(Item::Notice(Notice::Gap(_)))) => seen.push("gap".to_owned()),
                Some(_) => {}
                None => tokio::task::yield_now().await,
            }
        }
        seen
    }

    #[tokio::test]
    async fn a_slow_reader_is_told_of_what_was_erased_before_it_came_there() {
        let broadcaster = broadcaster();
        let mut all = broadcaster.subscribe(Selector::all(), Start::Live).unwrap();
        let b = Selector::topics(&["b"]).unwrap();
        let mut other = broadcaster.subscribe(b, Start::Live).unwrap();
        assert_eq!(seen(&mut all).await, [""; 0]);
        assert_eq!(seen(&mut other).await, [""; 0]);
        publish(&broadcaster, "a", "1".to_owned()).await;
        publish(&broadcaster, "b", "2".to_owned()).await;
        // The shard has not walked yet, so that both streams read history.
        assert_eq!(broadcaster.erase(&"a".parse().unwrap()).await.unwrap(), 1);
        publish(&broadcaster, "b", "3".to_owned()).await;
        assert_eq!(seen(&mut all).await, ["gap", "2", "3"]);
        assert_eq!(seen(&mut other).await, ["2", "3"]);
        publish(&broadcaster, "a", "4".to_owned()).await;
        assert_eq!(seen(&mut all).await, ["4"]);
    }

    #[tokio::test]
    async fn of_many_chunks_with_erased_events_one_is_a_gap_and_only_to_a_client_with_a_position() {
        let broadcaster = broadcaster();
        let first = publish(&broadcaster, "a", "first".to_owned()).await;
        let large = "x".repeat(50_000);
        for _ in 0..20 {
            publish(&broadcaster, "a", large.clone()).await;
            publish(&broadcaster, "b", large.clone()).await;
        }
        assert_eq!(broadcaster.erase(&"a".parse().unwrap()).await.unwrap(), 21);
        for (start, gaps) in [(Start::Earliest, 0), (Start::After(first), 1)] {
            let mut subscription = broadcaster.subscribe(Selector::all(), start).unwrap();
            let seen = seen(&mut subscription).await;
            let found = seen.iter().filter(|seen| *seen == "gap").count();
            assert_eq!((found, seen.len()), (gaps, 20 + gaps));
        }
    }
}
