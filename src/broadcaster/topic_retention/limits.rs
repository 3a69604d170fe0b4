//! Up to where a rule lets go of a topic's events.

use std::collections::HashMap;

use crate::{
    event::{Event, EventId, Selector, Topic},
    history::{From, History, Limit, TopicRule, Unavailable},
};

/// Most topics whose bytes are counted. Those of others are read when they have new events.
const MAX_COUNTED: usize = 50_000;
const ONE: Limit = Limit::new(1, 1);
const CHUNK: Limit = Limit::new(1_024, 1 << 20);

/// About how many bytes the events of topics have that are kept up to a number of bytes. At least as many as there are:
/// what is erased meanwhile is counted until the topic is read again.
#[derive(Default)]
pub(super) struct Totals(HashMap<Topic, usize>);

impl Totals {
    /// Counts an event that has come.
    pub(super) fn add(&mut self, event: &Event) {
        if let [topic] = event.topics()
            && let Some(total) = self.0.get_mut(topic)
        {
            *total += event.cost();
        }
    }

    /// The position up to which the rule keeps no events; `None` where there are none before that. With `latest` the
    /// last event stays: a client that resumes gets it in its place. Events with further topics do not count for the
    /// bytes, since they are not erased for one of them.
    pub(super) async fn dropped(
        &mut self,
        history: &dyn History,
        topic: &Topic,
        rule: &TopicRule,
        settled: EventId,
    ) -> Result<Option<EventId>, Unavailable> {
        let Ok(selector) = Selector::any_of([topic.clone()], []) else {
            return Ok(None);
        };
        let reader = Reader {
            history,
            selector: selector.with_private(),
        };
        let Some(oldest) = reader.oldest().await? else {
            self.0.remove(topic);
            return Ok(None);
        };
        let mut up_to = EventId::new(0, 0);
        match rule.events {
            Some(0) => up_to = settled,
            Some(most) => up_to = reader.before(From::Last(most)).await?,
            None => {}
        }
        if let Some(age) = rule.age {
            up_to = up_to.max(reader.before(From::Ago(age)).await?);
        }
        if let Some(most) = rule.bytes {
            up_to = up_to.max(self.beyond(&reader, topic, most).await?);
        }
        if rule.latest {
            up_to = up_to.min(reader.before(From::Last(1)).await?);
        }
        Ok((up_to >= oldest).then_some(up_to))
    }

    /// The last event to let go so that nine tenths of the bytes are left, where there are more than these: so the
    /// topic is not read again for each event.
    async fn beyond(
        &mut self,
        reader: &Reader<'_>,
        topic: &Topic,
        most: usize,
    ) -> Result<EventId, Unavailable> {
        let nothing = EventId::new(0, 0);
        if self.0.get(topic).is_some_and(|total| *total <= most) {
            return Ok(nothing);
        }
        let mut total = 0;
        reader
            .each(|_, cost| {
                total += cost;
                true
            })
            .await?;
        let mut last = nothing;
        if total > most {
            let left = most - most / 10;
            reader
                .each(|id, cost| {
                    if total > left {
                        total -= cost;
                        last = id;
                    }
                    total > left
                })
                .await?;
        }
        if self.0.len() < MAX_COUNTED || self.0.contains_key(topic) {
            self.0.insert(topic.clone(), total);
        }
        Ok(last)
    }
}

/// Reads the events of one topic.
struct Reader<'a> {
    history: &'a dyn History,
    selector: Selector,
}

impl Reader<'_> {
    async fn oldest(&self) -> Result<Option<EventId>, Unavailable> {
        let read = self.history.read(From::Earliest, &self.selector, ONE);
        let mut chunk = read.await?;
        // Those that were erased may be many.
        while chunk.events.is_empty() && chunk.read_to < self.history.tail().head().id {
            let after = From::After(chunk.read_to);
            chunk = self.history.read(after, &self.selector, ONE).await?;
        }
        Ok(chunk.events.first().map(crate::history::Found::id))
    }

    /// The position behind which a read begins.
    async fn before(&self, from: From<'_>) -> Result<EventId, Unavailable> {
        let chunk = self.history.read(from, &self.selector, ONE).await?;
        Ok(chunk.after)
    }

    /// Calls this with the id and the cost of each event that has no further topic, the oldest first, while it returns
    /// true.
    async fn each(&self, mut each: impl FnMut(EventId, usize) -> bool) -> Result<(), Unavailable> {
        let mut from = From::Earliest;
        loop {
            let chunk = self.history.read(from, &self.selector, CHUNK).await?;
            for found in &chunk.events {
                let fields = found.fields();
                if fields.topics().len() == 1 && !each(found.id(), fields.cost()) {
                    return Ok(());
                }
            }
            if chunk.read_to >= self.history.tail().head().id {
                return Ok(());
            }
            from = From::After(chunk.read_to);
        }
    }
}
