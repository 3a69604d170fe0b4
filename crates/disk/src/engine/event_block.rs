//! Blocks of events, and each event in them.

use std::{sync::Arc, time::Instant};

use fjall::Slice;

use super::fault::Fault;
use crate::record::{
    Damaged, Kept,
    block::{self, Placed},
};
use sse_broadcaster::event::{Event, EventId, Fields, Stored};

/// Events that were committed together, as they are kept.
pub(crate) struct EventBlock {
    /// The id of the last.
    pub(crate) key: EventId,
    pub(super) value: Slice,
    pub(super) events: Vec<Placed>,
}

/// An event as it is kept.
pub(crate) struct Record {
    pub(crate) id: EventId,
    block: Arc<EventBlock>,
    at: usize,
}

impl EventBlock {
    pub(super) fn read(key: EventId, value: Slice) -> Result<Arc<Self>, Fault> {
        let events = block::events(key, &value)?;
        Ok(Arc::new(Self { key, value, events }))
    }

    /// The same, and each of its events is read once.
    pub(crate) fn read_all(key: EventId, value: Slice) -> Result<Arc<Self>, Fault> {
        let block = Self::read(key, value)?;
        for record in block.records() {
            record.decode()?;
        }
        Ok(block)
    }

    /// The events behind a position, with their ids.
    pub(crate) fn kept_behind(
        &self,
        after: EventId,
    ) -> impl Iterator<Item = (EventId, Result<Kept<'_>, Fault>)> {
        let begin = self.events.partition_point(|event| event.id <= after);
        let events = self.events[begin..].iter();
        events.map(|event| (event.id, self.kept(event)))
    }

    fn kept(&self, event: &Placed) -> Result<Kept<'_>, Fault> {
        let packed = &self.value[event.fields.clone()];
        Ok(Kept {
            number: event.number,
            time_ms: event.time_ms,
            packed,
            fields: Fields::checked(packed).ok_or(Damaged)?,
        })
    }

    /// The event with this id.
    pub(crate) fn record(self: &Arc<Self>, id: EventId) -> Option<Record> {
        let at = self.events.binary_search_by_key(&id, |event| event.id);
        at.ok().map(|at| self.record_at(at))
    }

    fn record_at(self: &Arc<Self>, at: usize) -> Record {
        Record {
            id: self.events[at].id,
            block: Arc::clone(self),
            at,
        }
    }

    pub(crate) fn records(self: &Arc<Self>) -> impl DoubleEndedIterator<Item = Record> + use<> {
        let block = Arc::clone(self);
        (0..block.events.len()).map(move |at| block.record_at(at))
    }
}

impl Record {
    pub(crate) fn decode(&self) -> Result<Kept<'_>, Fault> {
        self.block.kept(&self.block.events[self.at])
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

    /// Whether it is the last of its block.
    pub(crate) fn ends_block(&self) -> bool {
        self.id == self.block.key
    }

    pub(crate) fn block(&self) -> &Arc<EventBlock> {
        &self.block
    }
}

/// The events of a block; what cannot be read is passed on.
pub(super) fn records_of(
    found: Result<Arc<EventBlock>, Fault>,
) -> impl DoubleEndedIterator<Item = Result<Record, Fault>> {
    let (block, fault) = match found {
        Ok(block) => (Some(block), None),
        Err(fault) => (None, Some(Err(fault))),
    };
    let records = block.into_iter().flat_map(|block| block.records());
    records.map(Ok).chain(fault)
}
