//! The log as of one commit, to be read from.

use std::time::Instant;

use fjall::{Iter, Keyspace, Readable as _, Slice, Snapshot};

use super::{fault::Fault, store::Store};
use crate::record::{
    Kept, Listed, Own, STANDING_KEY, Standing, TOPIC_KEYS_END, decode_event, id_key, id_of,
    id_of_topic_key, idempotency_index_key, topic_key,
};
use sse_broadcaster::event::{Event, EventId, Stored, Topic};

pub(crate) struct View<'a> {
    store: &'a Store,
    snapshot: Snapshot,
}

/// An event as it is kept.
pub(crate) struct Record {
    pub(crate) id: EventId,
    value: Slice,
}

impl Record {
    pub(crate) fn decode(&self) -> Result<Kept<'_>, Fault> {
        Ok(decode_event(self.id, &self.value)?)
    }

    /// Its number and the event, as of when it was read.
    pub(crate) fn stored(&self, read: Instant) -> Result<(u64, Stored), Fault> {
        let kept = self.decode()?;
        let event = Event::unpack(&kept.fields);
        Ok((
            kept.number,
            Stored::appended_at(self.id, kept.time_ms, event, read),
        ))
    }
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

    pub(crate) fn holds(&self, id: EventId) -> Result<bool, Fault> {
        Ok(self.snapshot.contains_key(&self.store.events, id_key(id))?)
    }

    pub(crate) fn event(&self, id: EventId) -> Result<Record, Fault> {
        let value = self.snapshot.get(&self.store.events, id_key(id))?;
        let value =
            value.ok_or_else(|| Fault::Damaged(format!("the event {id} is missing").into()))?;
        Ok(Record { id, value })
    }

    /// The events after one position, up to another.
    pub(crate) fn events(
        &self,
        after: EventId,
        to: EventId,
    ) -> impl DoubleEndedIterator<Item = Result<Record, Fault>> + use<> {
        let iter = self.ids(&self.store.events, id_key(after).into(), id_key(to).into());
        iter.map(|item| {
            let (key, value) = item.into_inner()?;
            let id = id_of(&key)?;
            Ok(Record { id, value })
        })
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
