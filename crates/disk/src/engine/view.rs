//! The log as of one commit, to be read from.

use std::sync::Arc;

use fjall::{Iter, Keyspace, Readable as _, Slice, Snapshot};

use super::{
    event_block::{EventBlock, Record, records_of},
    fault::Fault,
    store::Store,
};
use crate::record::{
    Listed, Own, STANDING_KEY, Standing, TOPIC_KEYS_END, id_key, id_of, id_of_topic_key,
    idempotency_index_key, topic_key,
};
use sse_broadcaster::event::{EventId, Topic};

pub(crate) struct View<'a> {
    store: &'a Store,
    snapshot: Snapshot,
}

impl Store {
    /// The log as of its last commit.
    pub(crate) fn view(&self) -> View<'_> {
        View {
            store: self,
            snapshot: self.snapshot(),
        }
    }
}

/// No event has a greater id.
const LAST: EventId = EventId::new(u64::MAX, u64::MAX);

fn missing(id: EventId) -> Fault {
    Fault::Damaged(format!("the event {id} is missing").into())
}

/// What cannot be read is passed on.
fn keeps(found: &Result<Record, Fault>, is_within: impl FnOnce(EventId) -> bool) -> bool {
    found.as_ref().map_or(true, |record| is_within(record.id))
}

impl View<'_> {
    pub(crate) fn standing(&self) -> Result<Standing, Fault> {
        let value = self.snapshot.get(&self.store.events, STANDING_KEY)?;
        let value =
            value.ok_or_else(|| Fault::Damaged("it does not say where it stands".into()))?;
        Ok(Standing::decode(&value)?)
    }

    pub(crate) fn own(&self, idempotency_key: &str) -> Result<Option<Own>, Fault> {
        let value = self
            .snapshot
            .get(&self.store.index, idempotency_index_key(idempotency_key))?;
        Ok(value.map(|value| Own::decode(&value)).transpose()?)
    }

    /// All idempotency keys, as the keys of the index that they have.
    pub(crate) fn owns(&self) -> impl Iterator<Item = Result<(Slice, Own), Fault>> + use<> {
        let owns = self.snapshot.prefix(&self.store.index, b"o");
        owns.map(|item| {
            let (key, value) = item.into_inner()?;
            Ok((key, Own::decode(&value)?))
        })
    }

    pub(crate) fn has_topic(
        &self,
        listed: Listed,
        topic: &str,
        id: EventId,
    ) -> Result<bool, Fault> {
        let key = topic_key(listed, topic, id);
        Ok(self.snapshot.contains_key(&self.store.index, key)?)
    }

    /// What is kept under a key, as it is.
    pub(crate) fn value(&self, keyspace: &Keyspace, key: &[u8]) -> Result<Option<Slice>, Fault> {
        Ok(self.snapshot.get(keyspace, key)?)
    }

    /// Whether there is an event with this id; it may be one that retention has reached.
    pub(crate) fn holds(&self, id: EventId) -> Result<bool, Fault> {
        Ok(self.find(id)?.is_some())
    }

    pub(crate) fn event(&self, id: EventId) -> Result<Record, Fault> {
        self.find(id)?.ok_or_else(|| missing(id))
    }

    fn find(&self, id: EventId) -> Result<Option<Record>, Fault> {
        let Some(found) = self.blocks_from(id.before()).next() else {
            return Ok(None);
        };
        Ok(found?.record(id))
    }

    /// The blocks whose last events come behind one position and not behind another.
    fn blocks(
        &self,
        after: EventId,
        to: EventId,
    ) -> impl DoubleEndedIterator<Item = Result<Arc<EventBlock>, Fault>> + use<> {
        let values = self.values(after, to);
        values.map(|found| found.and_then(|(key, value)| EventBlock::read(key, value)))
    }

    /// All blocks that end behind a position.
    pub(crate) fn blocks_from(
        &self,
        after: EventId,
    ) -> impl Iterator<Item = Result<Arc<EventBlock>, Fault>> + use<> {
        self.blocks(after, LAST)
    }

    /// The same blocks as they are kept, with their keys.
    pub(crate) fn values(
        &self,
        after: EventId,
        to: EventId,
    ) -> impl DoubleEndedIterator<Item = Result<(EventId, Slice), Fault>> + use<> {
        let iter = self.ids(&self.store.events, id_key(after).into(), id_key(to).into());
        iter.map(|item| {
            let (key, value) = item.into_inner()?;
            Ok((id_of(&key)?, value))
        })
    }

    /// The events after one position, up to another.
    pub(crate) fn events(
        &self,
        after: EventId,
        to: EventId,
    ) -> impl Iterator<Item = Result<Record, Fault>> + use<> {
        let records = self.blocks_from(after).flat_map(records_of);
        let records = records.filter(move |found| keeps(found, |id| id > after));
        records.take_while(move |found| keeps(found, |id| id <= to))
    }

    /// The same events, the newest first.
    pub(crate) fn events_back(
        &self,
        after: EventId,
        to: EventId,
    ) -> Result<impl Iterator<Item = Result<Record, Fault>> + use<>, Fault> {
        // The block that holds the last of them may end behind it.
        let end = self.blocks_from(to.before()).next().transpose()?;
        let end = end.map_or(to, |block| block.key);
        let records = self.blocks(after, end).rev();
        let records = records.flat_map(|found| records_of(found).rev());
        let records = records.filter(move |found| keeps(found, |id| id <= to));
        Ok(records.take_while(move |found| keeps(found, |id| id > after)))
    }

    /// The same of one topic, as ids alone.
    pub(crate) fn of_topic(
        &self,
        listed: Listed,
        topic: &Topic,
        after: EventId,
        to: EventId,
    ) -> impl DoubleEndedIterator<Item = Result<EventId, Fault>> + use<> {
        let list = self.list(listed, topic, after, to);
        list.map(|item| Ok(id_of_topic_key(&item.key()?)?))
    }

    /// The whole events of one topic, and whether each is known to have others.
    pub(crate) fn whole_of_topic(
        &self,
        topic: &Topic,
        after: EventId,
        to: EventId,
    ) -> impl Iterator<Item = Result<(EventId, bool), Fault>> + use<> {
        let list = self.list(Listed::Whole, topic, after, to);
        list.map(|item| {
            let (key, value) = item.into_inner()?;
            Ok((id_of_topic_key(&key)?, !value.is_empty()))
        })
    }

    fn list(&self, listed: Listed, topic: &Topic, after: EventId, to: EventId) -> Iter {
        let key = |id| topic_key(listed, topic.as_str(), id);
        self.ids(&self.store.index, key(after), key(to))
    }

    /// The key of the first whole event of the first topic whose keys begin here or later.
    pub(crate) fn topic_key_from(&self, from: Vec<u8>) -> Result<Option<Slice>, Fault> {
        let mut keys = self
            .snapshot
            .range(&self.store.index, from..TOPIC_KEYS_END.to_vec());
        Ok(keys.next().map(fjall::Guard::key).transpose()?)
    }

    fn ids(&self, keyspace: &Keyspace, after: Vec<u8>, to: Vec<u8>) -> Iter {
        use std::ops::Bound::{Excluded, Included};
        if after >= to {
            // A range that is empty, not one that is upside down.
            return self.snapshot.range(keyspace, to.clone()..to);
        }
        self.snapshot
            .range(keyspace, (Excluded(after), Included(to)))
    }
}
