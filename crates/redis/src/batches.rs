//! The batches of one call: the call that appends them, and the reply to it.

use std::{sync::Arc, time::Instant};

use ::redis::{Cmd, Value};

use super::{
    call::command,
    connection::Server,
    entry::{self, Unexpected},
    log_state::LogState,
    script,
    shared::Shared,
};
use sse_broadcaster::{
    event::{Event, EventId, Stored},
    history::{AppendError, Batch, MAX_RETAINED_BYTES, MAX_RETAINED_VALUES},
};

/// See the module. Without any batch, the call only drops what retention does not keep.
pub(super) struct Batches {
    batches: Vec<Batch>,
    /// They have events alone, and these topics and data alone.
    are_plain: bool,
}

/// What a call has done.
pub(super) struct Reply {
    pub(super) log: LogState,
    /// What it has stored, in the order of ids.
    pub(super) stored: Vec<Arc<Stored>>,
    received: Instant,
    /// Of each batch.
    pub(super) outcomes: Vec<Outcome>,
}

/// What became of one batch.
pub(super) enum Outcome {
    Kept {
        ids: Vec<EventId>,
        /// Of those that were stored now, and how many these are.
        last: Option<EventId>,
        stored: u64,
    },
    Refused(AppendError),
}

impl Batches {
    pub(super) fn new(batches: Vec<Batch>) -> Self {
        let is_plain = |batch: &Batch| {
            let has_more = !batch.preconditions.is_empty() || !batch.retain.is_empty();
            !has_more && batch.events.iter().all(entry::is_plain)
        };
        Self {
            are_plain: !batches.is_empty() && batches.iter().all(is_plain),
            batches,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    pub(super) fn call(&self, shared: &Shared, epoch: u64, server: Server) -> Cmd {
        let script = if self.are_plain {
            &script::PLAIN
        } else {
            &script::APPEND
        };
        let mut call = command(shared, script, epoch, server);
        if self.are_plain {
            let events = self.batches.iter().flat_map(|batch| &batch.events);
            events.for_each(|event| entry::add_plain(&mut call, event));
        } else {
            add(&mut call, &self.batches);
        }
        call
    }

    /// The reply to the call.
    pub(super) fn decode(self, replies: Vec<Value>) -> Result<Reply, Unexpected> {
        let mut replies = replies.into_iter();
        let log = entry::text(replies.next().ok_or(Unexpected)?)?;
        let mut appended = Reply {
            log: LogState::parse(&log).ok_or(Unexpected)?,
            stored: Vec::new(),
            received: Instant::now(),
            outcomes: Vec::with_capacity(self.batches.len()),
        };
        let mut plain_ids = PlainIds::default();
        for batch in self.batches {
            let outcome = if self.are_plain {
                appended.keep(batch.events, || Ok((plain_ids.next(&mut replies)?, true)))
            } else {
                appended.outcome(batch.events, replies.next().ok_or(Unexpected)?)
            };
            appended.outcomes.push(outcome?);
        }
        Ok(appended)
    }
}

impl Reply {
    fn outcome(&mut self, events: Vec<Event>, reply: Value) -> Result<Outcome, Unexpected> {
        let replies = match reply {
            Value::Array(replies) => replies,
            one => vec![one],
        };
        if let Some(Value::BulkString(word)) = replies.first() {
            match word.as_slice() {
                b"conflict" => return conflict(replies),
                b"full" => return Ok(Outcome::Refused(AppendError::RetainedFull)),
                _ => {}
            }
        }
        let mut replies = replies.into_iter();
        self.keep(events, || {
            let Some(Value::BulkString(text)) = replies.next() else {
                return Err(Unexpected);
            };
            let repeated = text.strip_prefix(b"=");
            let id = entry::position(repeated.unwrap_or(&text)).ok_or(Unexpected)?;
            Ok((id, repeated.is_none()))
        })
    }

    /// The events of a batch, each with its id, and whether it was stored now.
    fn keep(
        &mut self,
        events: Vec<Event>,
        mut next_id: impl FnMut() -> Result<(EventId, bool), Unexpected>,
    ) -> Result<Outcome, Unexpected> {
        let before = self.stored.len();
        let mut ids = Vec::with_capacity(events.len());
        for event in events {
            let (id, is_new) = next_id()?;
            ids.push(id);
            if is_new {
                // Where the clock is behind the ids, the entry has a time of its own.
                let time_ms = self.log.time_ms.min(id.ms());
                let stored = Stored::appended_at(id, time_ms, event, self.received);
                self.stored.push(Arc::new(stored));
            }
        }
        let stored = &self.stored[before..];
        Ok(Outcome::Kept {
            ids,
            last: stored.last().map(|stored| stored.id()),
            stored: stored.len() as u64,
        })
    }
}

/// The ids of plain events: all are in the reply; or the first alone, and each of the others follows the one before.
#[derive(Default)]
struct PlainIds {
    last: Option<EventId>,
}

impl PlainIds {
    fn next(&mut self, replies: &mut impl Iterator<Item = Value>) -> Result<EventId, Unexpected> {
        let id = match (replies.next(), self.last) {
            (Some(reply), _) => entry::id(reply)?,
            (None, Some(last)) => {
                EventId::new(last.ms(), last.seq().checked_add(1).ok_or(Unexpected)?)
            }
            (None, None) => return Err(Unexpected),
        };
        self.last = Some(id);
        Ok(id)
    }
}

fn conflict(replies: Vec<Value>) -> Result<Outcome, Unexpected> {
    let [_, key, id]: [Value; 3] = replies.try_into().map_err(|_| Unexpected)?;
    Ok(Outcome::Refused(AppendError::Conflict {
        key: entry::text(key)?,
        written_at: entry::optional_id(id)?,
    }))
}

fn add(call: &mut Cmd, batches: &[Batch]) {
    let has_idempotency_keys = batches
        .iter()
        .flat_map(|batch| &batch.events)
        .any(|event| event.idempotency_key().is_some());
    let has_values = batches
        .iter()
        .any(|batch| !batch.preconditions.is_empty() || !batch.retain.is_empty());
    call.arg(u8::from(has_idempotency_keys))
        .arg(u8::from(has_values))
        .arg(MAX_RETAINED_VALUES)
        .arg(MAX_RETAINED_BYTES)
        .arg(batches.len());
    for batch in batches {
        call.arg(batch.preconditions.len())
            .arg(batch.retain.len())
            .arg(batch.events.len());
        for expect in &batch.preconditions {
            let at = expect.written_at.map(|id| id.to_string());
            call.arg(&expect.key).arg(at.unwrap_or_default());
        }
        for retain in &batch.retain {
            let value = retain.value.as_deref();
            // Counted from 1; 0 for the whole batch.
            let of_event = retain.of_event.map(|index| index.saturating_add(1));
            call.arg(&retain.key)
                .arg(u8::from(value.is_some()))
                .arg(value.unwrap_or_default())
                .arg(of_event.unwrap_or_default());
        }
        for event in &batch.events {
            entry::add(call, event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn batches(counts: &[usize], key: Option<&str>) -> Batches {
        let event = |_| {
            let event = Event::builder("data").topic("a");
            let event = match key {
                Some(key) => event.idempotency_key(key),
                None => event,
            };
            event.build().unwrap()
        };
        let batch = |count: &usize| Batch::from((0..*count).map(event).collect::<Vec<_>>());
        Batches::new(counts.iter().map(batch).collect())
    }

    /// The reply of a log whose clock shows 8.
    fn decoded(batches: Batches, replies: &[Value]) -> Result<Reply, Unexpected> {
        let log = text("5-1 1 8 1-0 2-1 7 4000 9");
        batches.decode([&[log], replies].concat())
    }

    fn ids(appended: &Reply) -> Vec<Vec<String>> {
        let ids = |outcome: &Outcome| match outcome {
            Outcome::Kept { ids, .. } => ids.iter().map(ToString::to_string).collect(),
            Outcome::Refused(why) => vec![why.to_string()],
        };
        appended.outcomes.iter().map(ids).collect()
    }

    #[test]
    fn ids_of_plain_events_follow_the_one_that_the_reply_has() {
        let appended = decoded(batches(&[1, 2], None), &[text("8-3")]).unwrap();
        assert_eq!(ids(&appended), [vec!["8-3"], vec!["8-4", "8-5"]]);
        let replies = [text("8-3"), text("9-1"), text("9-2")];
        let appended = decoded(batches(&[1, 2], None), &replies).unwrap();
        assert_eq!(ids(&appended), [vec!["8-3"], vec!["9-1", "9-2"]]);
        assert_eq!(appended.log.before, EventId::new(5, 1));
        assert!(decoded(batches(&[1], None), &[]).is_err());
    }

    #[test]
    fn an_event_that_was_there_already_is_not_stored_again() {
        let replies = [text("=4-1"), Value::Array(vec![text("8-1"), text("=8-1")])];
        let appended = decoded(batches(&[1, 2], Some("key")), &replies).unwrap();
        assert_eq!(ids(&appended), [vec!["4-1"], vec!["8-1", "8-1"]]);
        let stored: Vec<_> = appended.stored.iter().map(|stored| stored.id()).collect();
        assert_eq!(stored, [EventId::new(8, 1)]);
        assert!(decoded(batches(&[2], Some("key")), &[text("8-1")]).is_err());
    }

    #[test]
    fn an_event_has_the_time_of_a_clock_that_is_behind_the_ids() {
        let appended = decoded(batches(&[2], None), &[text("8-3"), text("9-1")]).unwrap();
        let times = appended.stored.iter().map(|stored| stored.time_ms());
        assert_eq!(times.collect::<Vec<_>>(), [8, 8]);
    }
}
