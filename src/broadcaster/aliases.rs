//! Which event clients mean by an alias.

use std::time::Duration;

use tokio::time::timeout;

use super::Broadcaster;
use crate::{
    event::{EventId, Selector},
    history::{Found, From, Limit, Unavailable},
};

/// How many events before those of the window are searched for an alias. Older ones are not found.
const MAX_SEARCHED: usize = 20_000;
/// As much is read at once.
const CHUNK: Limit = Limit::new(1_000, 256 << 10);
/// How long a search waits for those before it.
const MAX_WAIT: Duration = Duration::from_secs(5);

impl Broadcaster {
    /// The position of the oldest event with this alias that a client of this selector may read: one that it may not
    /// read makes no difference. An event in the window is found without waiting. Where there is none, the 20,000 events before the window are searched, one
    /// search at a time. Dropping the future has no effect.
    ///
    /// # Errors
    /// History cannot be reached, or others are searching it for more than five seconds.
    pub async fn find_alias(
        &self,
        alias: &str,
        selector: &Selector,
    ) -> Result<Option<EventId>, Unavailable> {
        if let Some(stored) = self.inner.window.oldest_with(alias, selector) {
            return Ok(Some(stored.id()));
        }
        let found = self.search_before_window(alias, selector).await?;
        Ok(found.map(|found| found.id()))
    }

    async fn search_before_window(
        &self,
        alias: &str,
        selector: &Selector,
    ) -> Result<Option<Found>, Unavailable> {
        let window = self.inner.window.bounds();
        if self.bounds().trim_floor >= window.trim_floor {
            return Ok(None);
        }
        let permit = timeout(MAX_WAIT, self.inner.alias_search.acquire()).await;
        let Ok(Ok(_permit)) = permit else {
            return Err(Unavailable::new("history is being searched for other ids"));
        };
        let everything = Selector::all().with_private();
        let mut from = From::Last(window.events + MAX_SEARCHED);
        loop {
            let chunk = self.inner.history.read(from, &everything, CHUNK).await?;
            let is_it = |found: &Found| {
                found.fields().alias() == Some(alias) && selector.may_read(found.event())
            };
            if let Some(found) = chunk.events.into_iter().find(is_it) {
                return Ok(Some(found));
            }
            if chunk.read_to >= window.trim_floor || chunk.read_to <= chunk.after {
                return Ok(None);
            }
            from = From::After(chunk.read_to);
        }
    }

    /// The alias of this event, if it has one, is in the window, and a client of this selector may read it.
    #[must_use]
    pub fn alias_of(&self, id: EventId, selector: &Selector) -> Option<String> {
        let stored = self.inner.window.find(id)?;
        let alias = stored.event().alias()?;
        let may_read = selector.may_read(stored.event());
        may_read.then(|| alias.as_str().to_owned())
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;
    use crate::{Event, Memory, Options, history::Retention};

    #[tokio::test]
    async fn an_alias_is_found_and_shown_only_where_its_event_may_be_read() {
        let memory = Memory::new(Retention::new().events(20));
        let broadcaster = Broadcaster::start(memory, Options::default()).unwrap();
        let event = Event::builder("").topic("a").alias("mine").private();
        let id = broadcaster
            .publish_one(event.build().unwrap())
            .await
            .unwrap();
        let (public, private) = (Selector::all(), Selector::all().with_private());
        for (selector, found) in [(&public, None), (&private, Some(id))] {
            let at = broadcaster.find_alias("mine", selector).await.unwrap();
            assert_eq!(at, found);
            assert_eq!(
                broadcaster.alias_of(id, selector).is_some(),
                found.is_some()
            );
        }
        assert_eq!(
            broadcaster.find_alias("other", &private).await.unwrap(),
            None
        );
        for _ in 0..20 {
            let other = Event::builder("").topic("a").build().unwrap();
            broadcaster.publish_one(other).await.unwrap();
        }
        assert_eq!(
            broadcaster.find_alias("mine", &private).await.unwrap(),
            None
        );
    }
}
