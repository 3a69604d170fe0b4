//! Reads of what is older than the window: each a seek (`read/begin.rs`), and then what it yields.

mod begin;

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use bytes::Bytes;

use super::{
    engine::{EventBlock, Fault, Store, View},
    record::{Kept, Listed, Standing},
    shared::Known,
};
use sse_broadcaster::{
    event::{EventId, Fetched, SelectedTopics, Selector, Topic},
    history::{Chunk, Found, From, Limit},
};

/// Most events that one read looks at, divided by the number of rules that select topics, so that none takes long.
const MAX_LOOKED_AT: usize = 4_096;

/// Reads as [`History::read`](sse_broadcaster::history::History::read) does, no further than to `end`.
pub(super) fn read(
    store: &Store,
    from: From<'_>,
    selector: &Selector,
    limit: Limit,
    end: EventId,
    known: &Known,
) -> Result<Chunk, Fault> {
    let view = store.view();
    let mut reading = Reading {
        standing: view.standing()?,
        view,
        selector,
        known,
        end,
    };
    let (mut after, mut gap) = reading.locate(from)?;
    let lost = &known.lost;
    if let Some(end_of_gap) = lost.end_of_gap(after) {
        // The last so many are all there, though what was before them is not.
        gap |= !matches!(from, From::Last(_)) || after == reading.standing.floor;
        after = end_of_gap;
    }
    reading.end = lost.begin_behind(after).map_or(end, |begin| end.min(begin));
    let end = reading.end;
    let mut chunk = Chunk {
        epoch: reading.standing.epoch,
        after,
        gap,
        erased: None,
        events: Vec::new(),
        read_to: end.max(after),
        oldest: known.oldest,
    };
    match selector.selected() {
        SelectedTopics::Topics(topics) => reading.of_topics(topics, &mut chunk, limit)?,
        _ => reading.all(&mut chunk, limit)?,
    }
    Ok(chunk)
}

struct Reading<'a> {
    view: View<'a>,
    standing: Standing,
    selector: &'a Selector,
    known: &'a Known,
    /// No further than to here, behind which more may be lost.
    end: EventId,
}

impl Reading<'_> {
    fn all(&self, chunk: &mut Chunk, limit: Limit) -> Result<(), Fault> {
        let rules = match self.selector.selected() {
            SelectedTopics::Matching(matching) => matching.rules(),
            _ => 1,
        };
        let (mut gathered, mut looked_at, mut before) = (Gathered::new(limit), 0, None);
        'blocks: for block in self.view.blocks_from(chunk.after) {
            for (id, kept) in block?.kept_behind(chunk.after) {
                if id > self.end {
                    break 'blocks;
                }
                let kept = kept?;
                if before.is_some_and(|before| before + 1 != kept.number) {
                    let what = format!("events before {id} are missing");
                    return Err(Fault::Damaged(what.into()));
                }
                before = Some(kept.number);
                if self.is_found(id, &kept, chunk) {
                    if !gathered.take(id, &kept) {
                        chunk.read_to = id.before();
                        break 'blocks;
                    }
                } else if looked_at >= MAX_LOOKED_AT {
                    chunk.read_to = id;
                    break 'blocks;
                }
                looked_at += rules;
            }
        }
        chunk.events = gathered.events();
        Ok(())
    }

    /// Whether this event is admitted and whole; notes the newest that was erased.
    fn is_found(&self, id: EventId, kept: &Kept<'_>, chunk: &mut Chunk) -> bool {
        let is_admitted = self.selector.admits_fields(&kept.fields);
        let is_erased = kept.fields.is_erased();
        if is_admitted && is_erased {
            chunk.erased = Some(id);
        }
        is_admitted && !is_erased
    }

    /// The ids of these topics' events, list by list: those that were erased have lists of their own.
    fn lists(
        &self,
        topics: &[Topic],
        after: EventId,
    ) -> Vec<impl Iterator<Item = Result<EventId, Fault>>> {
        let listed: &[Listed] = match self.standing.erased {
            0 => &[Listed::Whole],
            _ => &[Listed::Whole, Listed::Erased],
        };
        let lists = topics.iter().flat_map(|topic| {
            let list = |listed: &Listed| self.view.of_topic(*listed, topic, after, self.end);
            listed.iter().map(list)
        });
        lists.collect()
    }

    fn of_topics(&self, topics: &[Topic], chunk: &mut Chunk, limit: Limit) -> Result<(), Fault> {
        let mut ids = self.lists(topics, chunk.after);
        let mut earliest = BinaryHeap::new();
        for (index, ids) in ids.iter_mut().enumerate() {
            earliest.extend(ids.next().transpose()?.map(|id| Reverse((id, index))));
        }
        let (mut gathered, mut looked_at) = (Gathered::new(limit), 0);
        let (mut last, mut block) = (None, None);
        while let Some(Reverse((id, index))) = earliest.pop() {
            let next = ids[index].next().transpose()?;
            earliest.extend(next.map(|id| Reverse((id, index))));
            if last.replace(id) == Some(id) {
                continue;
            }
            // Events of one topic are often of one block.
            let known = block
                .as_ref()
                .and_then(|block: &Arc<EventBlock>| block.record(id));
            let record = known.map_or_else(|| self.view.event(id), Ok)?;
            block = Some(Arc::clone(record.block()));
            let kept = record.decode()?;
            if self.is_found(id, &kept, chunk) {
                if !gathered.take(id, &kept) {
                    // Right before it: events of other topics that are dropped in between are no
                    // loss then.
                    chunk.read_to = id.before();
                    break;
                }
            } else if looked_at >= MAX_LOOKED_AT {
                chunk.read_to = id;
                break;
            }
            looked_at += 1;
        }
        chunk.events = gathered.events();
        Ok(())
    }
}

/// For what room is made at once, so that a chunk is not moved while it grows.
const USUAL_BYTES: usize = 64 << 10;
const USUAL_EVENTS: usize = 512;

/// What a chunk will hold, in one piece of memory.
struct Gathered {
    limit: Limit,
    packed: Vec<u8>,
    /// Each event, when it was taken, and where it ends.
    ends: Vec<(EventId, u64, usize)>,
    cost: usize,
}

impl Gathered {
    fn new(limit: Limit) -> Self {
        Self {
            limit,
            packed: Vec::with_capacity(limit.bytes.min(USUAL_BYTES)),
            ends: Vec::with_capacity(limit.events.min(USUAL_EVENTS)),
            cost: 0,
        }
    }

    /// False if it is full; the first always has room.
    fn take(&mut self, id: EventId, kept: &Kept<'_>) -> bool {
        self.cost += kept.fields.cost();
        let is_full = self.ends.len() >= self.limit.events || self.cost > self.limit.bytes;
        if is_full && !self.ends.is_empty() {
            return false;
        }
        self.packed.extend_from_slice(kept.packed);
        self.ends.push((id, kept.time_ms, self.packed.len()));
        true
    }

    fn events(self) -> Vec<Found> {
        let (packed, mut start) = (Bytes::from(self.packed), 0);
        let ends = self.ends.into_iter();
        ends.map(|(id, time_ms, end)| {
            let event = packed.slice(start..end);
            start = end;
            Found::Fetched(Fetched::new(id, time_ms, event))
        })
        .collect()
    }
}
