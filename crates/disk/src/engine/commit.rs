//! One atomic write to all keyspaces.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use fjall::{Keyspace, OwnedWriteBatch, PersistMode};

use super::{event_block::EventBlock, fault::Fault, store::Store};
use crate::{
    lost::Lost,
    record::{
        self, Listed, Own, REPAIR_KEY, STANDING_KEY, STEPS_KEY, Standing,
        block::{Builder, replace},
        encode_steps, id_key, idempotency_index_key, lost_key, topic_key, topic_value,
    },
};
use sse_broadcaster::event::{EventId, IdempotencyKey, Stored};
use sse_broadcaster::internal::Steps;

/// What an item costs in memory beside its key and value.
const ITEM_OVERHEAD_BYTES: usize = 64;

impl Store {
    pub(crate) fn begin(&self) -> Commit<'_> {
        Commit {
            store: self,
            batch: self.batch(),
            bytes: 0,
            block: Builder::default(),
            rewritten: BTreeMap::new(),
        }
    }
}

/// What is written in one atomic step. No key is written twice in one: which would win is not said.
pub(crate) struct Commit<'a> {
    store: &'a Store,
    batch: OwnedWriteBatch,
    bytes: usize,
    /// The newest events, which are not in the batch yet.
    block: Builder,
    /// By their keys.
    rewritten: BTreeMap<EventId, Rewritten>,
}

/// A block as it was, and the new fields of some of its events.
struct Rewritten {
    block: Arc<EventBlock>,
    fields: BTreeMap<EventId, Vec<u8>>,
}

impl Commit<'_> {
    pub(crate) fn insert(&mut self, number: u64, stored: &Stored) {
        let (id, event) = (stored.id(), stored.event());
        if !self.block.has_room(number, event.data().len()) {
            self.end_block();
        }
        let block = &mut self.block;
        block.push(id, number, stored.time_ms(), |out| event.pack(out));
        self.list(stored);
    }

    fn end_block(&mut self) {
        if let Some((key, value)) = self.block.finish() {
            self.put(&self.store.events, &id_key(key), &value);
        }
    }

    fn list(&mut self, stored: &Stored) {
        let event = stored.event();
        let listed = Listed::of(event.is_erased());
        for topic in event.topics() {
            let key = topic_key(listed, topic.as_str(), stored.id());
            let value = topic_value(event.topics().len());
            self.put(&self.store.index, &key, value);
        }
    }

    /// Puts what is left of an event in its place in this block. Its idempotency key is left to [`own`](Self::own) and
    /// [`forget`](Self::forget).
    pub(crate) fn erase(&mut self, block: &Arc<EventBlock>, left: &Stored) {
        let mut fields = Vec::new();
        left.event().pack(&mut fields);
        let rewritten = self.rewritten.entry(block.key);
        let rewritten = rewritten.or_insert_with(|| Rewritten {
            block: Arc::clone(block),
            fields: BTreeMap::new(),
        });
        rewritten.fields.insert(left.id(), fields);
        self.list(left);
        self.unlist(Listed::Whole, left);
    }

    /// With the last event of a block the block is removed. Its idempotency key is left to [`own`](Self::own) and
    /// [`forget`](Self::forget).
    pub(crate) fn remove(&mut self, stored: &Stored, ends_block: bool) {
        if ends_block {
            self.remove_block(stored.id());
        }
        self.unlist(Listed::of(stored.event().is_erased()), stored);
    }

    pub(crate) fn remove_block(&mut self, key: EventId) {
        self.delete(&self.store.events, &id_key(key));
    }

    fn unlist(&mut self, listed: Listed, stored: &Stored) {
        for topic in stored.event().topics() {
            let key = topic_key(listed, topic.as_str(), stored.id());
            self.delete(&self.store.index, &key);
        }
    }

    pub(crate) fn own(&mut self, idempotency_key: &IdempotencyKey, own: Own) {
        self.put_own(&idempotency_index_key(idempotency_key.as_str()), own);
    }

    /// The same under the key of the index.
    pub(crate) fn put_own(&mut self, key: &[u8], own: Own) {
        self.put(&self.store.index, key, &own.encode());
    }

    pub(crate) fn forget(&mut self, idempotency_key: &IdempotencyKey) {
        self.delete(
            &self.store.index,
            &idempotency_index_key(idempotency_key.as_str()),
        );
    }

    pub(crate) fn lose(&mut self, lost: Lost) {
        let value = id_key(lost.after);
        self.put(&self.store.values, &lost_key(lost.to), &value);
    }

    /// Of events that retention has reached.
    pub(crate) fn drop_lost(&mut self, lost: Lost) {
        self.delete(&self.store.values, &lost_key(lost.to));
    }

    pub(crate) fn steps(&mut self, steps: &Steps) {
        self.put(&self.store.values, &STEPS_KEY, &encode_steps(steps));
    }

    pub(crate) fn begin_repair(&mut self) {
        self.put(&self.store.values, &REPAIR_KEY, &[]);
    }

    pub(crate) fn end_repair(&mut self) {
        self.delete(&self.store.values, &REPAIR_KEY);
    }

    pub(crate) fn retain(&mut self, key: &str, value: Option<&(Bytes, EventId)>) {
        let key = [b"r", key.as_bytes()].concat();
        match value {
            Some((value, at)) => {
                let value = record::encode_retained(value, *at);
                self.put(&self.store.values, &key, &value);
            }
            None => self.delete(&self.store.values, &key),
        }
    }

    /// Writes it all: the kernel has it when this returns, and with `sync` the disk.
    pub(crate) fn finish(mut self, standing: &Standing, sync: bool) -> Result<(), Fault> {
        self.end_blocks();
        self.stand(standing);
        // Without a mode, what was written would stay in the process.
        let mode = if sync {
            PersistMode::SyncData
        } else {
            PersistMode::Buffer
        };
        self.batch.durability(Some(mode)).commit()?;
        self.store.collect(self.bytes)
    }

    fn end_blocks(&mut self) {
        self.end_block();
        for (key, Rewritten { block, fields }) in std::mem::take(&mut self.rewritten) {
            let value = replace(&block.value, &block.events, &fields);
            self.put(&self.store.events, &id_key(key), &value);
        }
    }

    fn stand(&mut self, standing: &Standing) {
        let value = standing.encode();
        for keyspace in self.store.all() {
            self.put(keyspace, &STANDING_KEY, &value);
        }
    }

    /// The same in the middle of a repair, where nothing may be written to tables; synced. `None`: the
    /// log stands where it stood.
    pub(crate) fn finish_idle(mut self, standing: Option<&Standing>) -> Result<(), Fault> {
        self.end_blocks();
        if let Some(standing) = standing {
            self.stand(standing);
        }
        Ok(self
            .batch
            .durability(Some(PersistMode::SyncData))
            .commit()?)
    }

    /// By how much it has grown.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn put(&mut self, keyspace: &Keyspace, key: &[u8], value: &[u8]) {
        self.bytes += ITEM_OVERHEAD_BYTES + key.len() + value.len();
        self.batch.insert(keyspace, key, value);
    }

    pub(crate) fn delete(&mut self, keyspace: &Keyspace, key: &[u8]) {
        self.bytes += ITEM_OVERHEAD_BYTES + key.len();
        self.batch.remove(keyspace, key);
    }
}
