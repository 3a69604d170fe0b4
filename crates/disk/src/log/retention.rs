//! What retention drops: the oldest events, with their keys and the lost ranges between them.

use std::time::Instant;

use super::Log;
use crate::{
    engine::{Commit, Fault},
    record::Own,
};
use sse_broadcaster::internal::now_ms;
use sse_broadcaster::{
    event::{EventId, IdempotencyKey, Stored},
    history::Retention,
};

/// Most idempotency keys that are kept though their events are gone. Past it an idempotency key that is new to the log
/// can no longer be told from one that is used again, so it names no place to resume from.
const MAX_SPENT_KEYS: u64 = 1 << 20;
/// Most events that one commit drops: a retention that was lowered is caught up with by and by.
const MAX_DROPPED: usize = 4_096;
/// Of the oldest events so many are read at once, to be dropped one by one.
const READ_AHEAD: (usize, usize) = (1_024, 1 << 20);

/// One of the oldest events, which are the next to be dropped.
pub(super) struct Oldest {
    pub(super) number: u64,
    pub(super) stored: Stored,
    /// The block that holds it is dropped with it.
    ends_block: bool,
}

impl Log {
    /// Drops the oldest of what was committed before. A group is smaller than what is kept, so nothing
    /// of its own is ever dropped with it.
    pub(crate) fn trim(
        &mut self,
        commit: &mut Commit<'_>,
        retention: Retention,
        committed: EventId,
    ) -> Result<(), Fault> {
        for _ in 0..MAX_DROPPED {
            if !self.is_over(retention, committed)? {
                return Ok(());
            }
            let Some(oldest) = self.oldest.pop_front() else {
                return Ok(());
            };
            self.drop_oldest(commit, &oldest);
        }
        Ok(())
    }

    /// Whether there is something to drop; the oldest are read for it.
    pub(crate) fn is_over(
        &mut self,
        retention: Retention,
        committed: EventId,
    ) -> Result<bool, Fault> {
        let standing = &self.standing;
        let many =
            standing.events() > retention.events as u64 || standing.bytes > retention.bytes as u64;
        if !many && retention.age.is_none() {
            return Ok(false);
        }
        if self.oldest.is_empty() {
            self.read_oldest(committed)?;
        }
        let now = now_ms();
        if retention.age.is_some() {
            self.see_time(now);
        }
        let Some(Oldest { number, stored, .. }) = self.oldest.front() else {
            return Ok(false);
        };
        let age = now.saturating_sub(self.steps.time(*number, stored.time_ms()));
        let old = retention
            .age
            .is_some_and(|most| u128::from(age) > most.as_millis());
        Ok(many || old)
    }

    fn read_oldest(&mut self, committed: EventId) -> Result<(), Fault> {
        let (mut last, mut bytes) = (self.standing.floor_number, 0);
        let (mut before, began) = (self.standing.floor, Instant::now());
        for found in self.store.view().events(before, committed) {
            let record = found?;
            let (number, stored) = record.stored(began)?;
            let id = stored.id();
            if number != last + 1 && !self.lost.lies_between(before, id) {
                let what = format!("events before {id} are missing");
                return Err(Fault::Damaged(what.into()));
            }
            (last, before) = (number, id);
            bytes += stored.event().cost();
            self.oldest.push_back(Oldest {
                number,
                stored,
                ends_block: record.ends_block(),
            });
            if self.oldest.len() >= READ_AHEAD.0 || bytes >= READ_AHEAD.1 {
                break;
            }
        }
        Ok(())
    }

    fn drop_oldest(&mut self, commit: &mut Commit<'_>, oldest: &Oldest) {
        let Oldest {
            number,
            stored,
            ends_block,
        } = oldest;
        let number = *number;
        commit.remove(stored, *ends_block);
        for lost in self.lost.drop_to(stored.id()) {
            commit.drop_lost(lost);
        }
        let floor_ms = self.steps.time(number, stored.time_ms());
        self.has_stepped |= self.steps.drop_to(number);
        let standing = &mut self.standing;
        standing.floor_ms = floor_ms;
        standing.floor = stored.id();
        standing.floor_number = number;
        standing.bytes = standing.bytes.saturating_sub(stored.event().cost() as u64);
        if stored.event().is_erased() {
            standing.erased = standing.erased.saturating_sub(1);
        }
        if let Some(idempotency_key) = stored.event().idempotency_key() {
            self.spend(commit, idempotency_key);
        }
    }

    /// The event of an idempotency key is gone.
    pub(super) fn spend(&mut self, commit: &mut Commit<'_>, idempotency_key: &IdempotencyKey) {
        let standing = &mut self.standing;
        if standing.spent < MAX_SPENT_KEYS {
            standing.spent += 1;
            commit.own(idempotency_key, Own::Spent);
        } else {
            standing.spent_overflowed = true;
            commit.forget(idempotency_key);
        }
    }

    /// The oldest event, once the group is committed.
    pub(crate) fn find_oldest(&mut self) -> Result<Option<EventId>, Fault> {
        if self.oldest.is_empty() {
            self.read_oldest(self.standing.head)?;
        }
        Ok(self.oldest.front().map(|oldest| oldest.stored.id()))
    }
}
