//! The log as of one commit, to be read from.

use fjall::{Guard, Iter, Keyspace, Readable as _, Snapshot};

use super::{
    record::{
        Decoder, Own, STANDING_KEY, Standing, id_key, id_of, id_of_topic_key, own_id_key, topic_key,
    },
    store::{Fault, Store},
};
use crate::event::{EventId, Stored, Topic};

pub(super) struct View<'a> {
    store: &'a Store,
    snapshot: Snapshot,
}

/// An event and its number.
pub(super) type Numbered = (u64, Stored);

impl<'a> View<'a> {
    pub(super) fn new(store: &'a Store, snapshot: Snapshot) -> Self {
        Self { store, snapshot }
    }

    pub(super) fn standing(&self) -> Result<Standing, Fault> {
        let value = self.snapshot.get(&self.store.events, STANDING_KEY)?;
        let value =
            value.ok_or_else(|| Fault::Damaged("it does not say where it stands".into()))?;
        Ok(Standing::decode(&value)?)
    }

    pub(super) fn own(&self, own_id: &str) -> Result<Option<Own>, Fault> {
        let value = self.snapshot.get(&self.store.index, own_id_key(own_id))?;
        Ok(value.map(|value| Own::decode(&value)).transpose()?)
    }

    pub(super) fn holds(&self, id: EventId) -> Result<bool, Fault> {
        Ok(self.snapshot.contains_key(&self.store.events, id_key(id))?)
    }

    pub(super) fn event(&self, id: EventId, decoder: &mut Decoder) -> Result<Stored, Fault> {
        let value = self.snapshot.get(&self.store.events, id_key(id))?;
        let value = value.ok_or_else(|| Fault::Damaged(format!("the event {id} is missing")))?;
        let (_, event) = decoder.event(&value)?;
        Ok(Stored::restored(id, event, decoder.began))
    }

    /// The events after one place, up to another.
    pub(super) fn events(&self, after: EventId, to: EventId) -> Events {
        Events {
            iter: self.ids(&self.store.events, id_key(after).into(), id_key(to).into()),
            decoder: Decoder::default(),
        }
    }

    /// The same of one topic, as ids alone.
    pub(super) fn of_topic(
        &self,
        topic: &Topic,
        after: EventId,
        to: EventId,
    ) -> impl DoubleEndedIterator<Item = Result<EventId, Fault>> + use<> {
        let (after, to) = (topic_key(topic, after), topic_key(topic, to));
        let iter = self.ids(&self.store.index, after, to);
        iter.map(|item| Ok(id_of_topic_key(&item.key()?)?))
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

pub(super) struct Events {
    iter: Iter,
    decoder: Decoder,
}

impl Events {
    fn read(&mut self, item: Guard) -> Result<Numbered, Fault> {
        let (key, value) = item.into_inner()?;
        let id = id_of(&key)?;
        let (number, event) = self.decoder.event(&value)?;
        Ok((number, Stored::restored(id, event, self.decoder.began)))
    }
}

impl Iterator for Events {
    type Item = Result<Numbered, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.iter.next()?;
        Some(self.read(item))
    }
}

impl DoubleEndedIterator for Events {
    fn next_back(&mut self) -> Option<Self::Item> {
        let item = self.iter.next_back()?;
        Some(self.read(item))
    }
}
