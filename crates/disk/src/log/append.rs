//! Assigns ids to a batch, and finds those of events that the log holds already.

use std::{collections::HashSet, sync::Arc};

use super::{Group, Log};
use crate::{
    engine::{Commit, Fault},
    queue::Written,
    record::Own,
};
use sse_broadcaster::internal::{drop_repeats, now_ms};
use sse_broadcaster::{
    event::{Event, EventId, Stored},
    history::{AppendError, Batch},
};

impl Log {
    /// What the idempotency keys of a batch stand for.
    pub(super) fn owns(&self, batch: &Batch, group: &Group) -> Result<Vec<Option<Own>>, Fault> {
        let owns = batch.events.iter().map(|event| self.own_of(event, group));
        owns.collect()
    }

    /// Gives the positions of a batch, or says why not; nothing is written yet.
    pub(super) fn append(
        &mut self,
        commit: &mut Commit<'_>,
        group: &mut Group,
        mut batch: Batch,
        owns: Vec<Option<Own>>,
    ) {
        drop_repeats(&mut batch.retain, || new_events(&batch.events, &owns));
        let is_repeat = |own: &Option<Own>| matches!(own, Some(Own::Held { .. }));
        let checked = if batch.events.is_empty() {
            Err(AppendError::NoEvents)
        } else if owns.iter().all(is_repeat) {
            Ok(())
        } else {
            self.retained.check(&batch.preconditions, &batch.retain)
        };
        if let Err(refused) = checked {
            group.responses.push(Err(refused));
            return;
        }
        let (now, begun) = (now_ms(), group.stored.len());
        let mut ids = Vec::with_capacity(batch.events.len());
        for (event, own) in batch.events.into_iter().zip(owns) {
            let held = match own {
                Some(Own::Held { id, .. }) => Some(id),
                // One that stands in the same batch twice.
                _ => event.idempotency_key().and_then(|idempotency_key| {
                    group.idempotency_keys.get(idempotency_key).copied()
                }),
            };
            ids.push(match held {
                Some(first) => first,
                None => self.take(commit, group, event, own, now),
            });
        }
        if let Some(last) = group.stored[begun..].last().map(|stored| stored.id()) {
            let written = self.retained.write_batch(batch.retain, &ids, last);
            group.retained.extend(written);
        }
        group.responses.push(Ok(Written {
            ids,
            ..Written::default()
        }));
    }

    fn own_of(&self, event: &Event, group: &Group) -> Result<Option<Own>, Fault> {
        let Some(idempotency_key) = event.idempotency_key() else {
            return Ok(None);
        };
        match group.idempotency_keys.get(idempotency_key) {
            Some(id) => Ok(Some(Own::Held {
                id: *id,
                once: false,
            })),
            None => Ok(self
                .store
                .own(idempotency_key)?
                .map(|own| own.as_of(&self.standing))),
        }
    }

    pub(super) fn take(
        &mut self,
        commit: &mut Commit<'_>,
        group: &mut Group,
        event: Event,
        own: Option<Own>,
        now: u64,
    ) -> EventId {
        self.see_time(now);
        let id = self.ids.next(now);
        if let Some(idempotency_key) = event.idempotency_key() {
            let once = own.is_none() && !self.standing.spent_overflowed;
            commit.own(idempotency_key, Own::Held { id, once });
            group.idempotency_keys.insert(idempotency_key.clone(), id);
        }
        let standing = &mut self.standing;
        standing.head = id;
        standing.head_number += 1;
        standing.bytes += event.cost() as u64;
        let stored = Arc::new(Stored::new(id, now, event));
        commit.insert(standing.head_number, &stored);
        group.stored.push(stored);
        id
    }
}

/// Whether each event of the batch will be appended, and is no repeat.
fn new_events<'a>(events: &'a [Event], owns: &[Option<Own>]) -> Vec<bool> {
    let mut keys = HashSet::new();
    let is_new = |(event, own): (&'a Event, &Option<Own>)| {
        let is_held = matches!(own, Some(Own::Held { .. }));
        !is_held && event.idempotency_key().is_none_or(|key| keys.insert(key))
    };
    events.iter().zip(owns).map(is_new).collect()
}
