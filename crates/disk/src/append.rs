//! The log as its only writer sees it: gives positions, knows repeats, drops the oldest.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Instant,
};

use super::{
    engine::{Commit, Fault, Store},
    high_water_mark::HighWater,
    lost::LostRanges,
    record::{Own, Standing},
};
use sse_broadcaster::internal::{Ids, Retained, Step, Steps, now_ms};
use sse_broadcaster::{
    event::{Event, EventId, IdempotencyKey, Stored},
    history::{AppendError, Appended, Batch, Retention},
};

/// Most own ids that are kept though their events are gone. Past it an own id that is new to the log
/// can no longer be told from one that is used again, so it names no place to resume from.
const MAX_SPENT_OWN_IDS: u64 = 1 << 20;
/// Most events that one commit drops: a retention that was lowered is caught up with by and by.
const MAX_DROPPED: usize = 4_096;
/// Of the oldest events so many are read at once, to be dropped one by one.
const READ_AHEAD: (usize, usize) = (1_024, 1 << 20);

pub(super) struct Log {
    pub(super) store: Arc<Store>,
    pub(super) standing: Standing,
    pub(super) retained: Retained,
    pub(super) lost: LostRanges,
    /// When the clock went back.
    pub(super) steps: Steps,
    /// They are others than the engine has.
    has_stepped: bool,
    /// What the clock showed last.
    newest_ms: u64,
    ids: Ids,
    /// The oldest events: the next to be dropped.
    oldest: VecDeque<(u64, Stored)>,
}

/// What one commit is to write, and how its batches are to be answered.
#[derive(Default)]
pub(super) struct Group {
    pub(super) stored: Vec<Arc<Stored>>,
    pub(super) answers: Vec<Result<Appended, AppendError>>,
    /// Batches whose own ids cannot be read, in their places among the answers; nothing is written of them.
    pub(super) unread: Vec<(usize, Batch)>,
    /// The engine was asked to write it.
    pub(super) attempted: bool,
    idempotency_keys: HashMap<IdempotencyKey, EventId>,
    pub(super) retained: HashSet<String>,
}

impl Log {
    /// A log with nothing in it.
    pub(super) fn create(store: Store) -> Result<Self, Fault> {
        let ids = Ids::new(now_ms());
        let birth = ids.last();
        let standing = Standing {
            epoch: fastrand::u64(..),
            head: birth,
            head_number: 0,
            floor: birth,
            floor_number: 0,
            floor_ms: birth.ms(),
            bytes: 0,
            spent: 0,
            spent_overflowed: false,
        };
        store.begin().finish(&standing, true)?;
        Ok(Self {
            store: Arc::new(store),
            standing,
            retained: Retained::default(),
            lost: LostRanges::default(),
            steps: Steps::default(),
            has_stepped: false,
            newest_ms: 0,
            ids,
            oldest: VecDeque::new(),
        })
    }

    /// The log that the engine holds, if it holds one.
    pub(super) fn resume(store: Store) -> Result<Result<Self, Store>, Fault> {
        let Some(standing) = store.standing()? else {
            return Ok(Err(store));
        };
        let (retained, lost, steps) = (store.retained()?, store.lost()?, store.steps()?);
        let newest_ms = newest_ms(&store, &standing);
        Ok(Ok(Self {
            store: Arc::new(store),
            ids: Ids::resume(standing.head),
            standing,
            retained,
            lost,
            steps,
            has_stepped: false,
            newest_ms,
            oldest: VecDeque::new(),
        }))
    }

    /// The clock shows this time, behind all events that were taken.
    fn see_time(&mut self, ms: u64) {
        if ms < self.newest_ms {
            let number = self.standing.head_number;
            self.steps.push(Step { number, ms });
            self.has_stepped = true;
        }
        self.newest_ms = ms;
    }

    /// What the mark is to say; `synced`: all of it is safe from a power loss.
    pub(super) fn high_water(&self, synced: bool) -> HighWater {
        let written = self.standing.head_number;
        HighWater {
            epoch: self.standing.epoch,
            written,
            synced: if synced { written } else { 0 },
        }
    }

    /// The newest events within these bounds, in order, and the position before them.
    pub(super) fn newest(&self, window: Retention) -> Result<(EventId, Vec<Arc<Stored>>), Fault> {
        let view = self.store.view();
        let floor = self
            .lost
            .last()
            .map_or(self.standing.floor, |lost| lost.to.max(self.standing.floor));
        let (mut newest, mut bytes, began) = (Vec::new(), 0, Instant::now());
        for found in view.events(floor, self.standing.head).rev() {
            let (_, stored) = found?.stored(began)?;
            bytes += stored.event().most_memory();
            if newest.len() == window.events || bytes > window.bytes {
                newest.reverse();
                return Ok((stored.id(), newest));
            }
            newest.push(Arc::new(stored));
        }
        newest.reverse();
        Ok((floor, newest))
    }

    /// What came after a position that the window holds.
    pub(super) fn since(&self, after: EventId) -> Result<Vec<Arc<Stored>>, Fault> {
        let events = self.store.view().events(after, self.standing.head);
        let began = Instant::now();
        events
            .map(|found| Ok(Arc::new(found?.stored(began)?.1)))
            .collect()
    }

    /// What the own ids of a batch stand for.
    pub(super) fn owns(&self, batch: &Batch, group: &Group) -> Result<Vec<Option<Own>>, Fault> {
        let owns = batch.events.iter().map(|event| self.own_of(event, group));
        owns.collect()
    }

    /// Gives the positions of a batch, or says why not; nothing is written yet.
    pub(super) fn place(
        &mut self,
        commit: &mut Commit<'_>,
        group: &mut Group,
        batch: Batch,
        owns: Vec<Option<Own>>,
    ) {
        let is_repeat = |own: &Option<Own>| matches!(own, Some(Own::Held { .. }));
        let checked = if batch.events.is_empty() {
            Err(AppendError::NoEvents)
        } else if owns.iter().all(is_repeat) {
            Ok(())
        } else {
            self.retained.check(&batch.preconditions, &batch.retain)
        };
        if let Err(refused) = checked {
            group.answers.push(Err(refused));
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
            for retain in batch.retain {
                group.retained.insert(retain.key.clone());
                self.retained.write(retain, last);
            }
        }
        group.answers.push(Ok(Appended { ids }));
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

    fn take(
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

    /// Drops the oldest of what was committed before. A group is smaller than what is kept, so nothing
    /// of its own is ever dropped with it.
    pub(super) fn trim(
        &mut self,
        commit: &mut Commit<'_>,
        retention: Retention,
        committed: EventId,
    ) -> Result<(), Fault> {
        for _ in 0..MAX_DROPPED {
            if !self.is_over(retention, committed)? {
                return Ok(());
            }
            let Some((number, stored)) = self.oldest.pop_front() else {
                return Ok(());
            };
            self.drop_oldest(commit, number, &stored);
        }
        Ok(())
    }

    /// Whether there is something to drop; the oldest are read for it.
    pub(super) fn is_over(
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
        let Some((number, oldest)) = self.oldest.front() else {
            return Ok(false);
        };
        let age = now.saturating_sub(self.steps.time(*number, oldest.time_ms()));
        let old = retention
            .age
            .is_some_and(|most| u128::from(age) > most.as_millis());
        Ok(many || old)
    }

    fn read_oldest(&mut self, committed: EventId) -> Result<(), Fault> {
        let (mut last, mut bytes) = (self.standing.floor_number, 0);
        let (mut before, began) = (self.standing.floor, Instant::now());
        for found in self.store.view().events(before, committed) {
            let (number, stored) = found?.stored(began)?;
            let id = stored.id();
            if number != last + 1 && !self.lost.lies_between(before, id) {
                return Err(Fault::Damaged(format!("events before {id} are missing")));
            }
            (last, before) = (number, id);
            bytes += stored.event().cost();
            self.oldest.push_back((number, stored));
            if self.oldest.len() >= READ_AHEAD.0 || bytes >= READ_AHEAD.1 {
                break;
            }
        }
        Ok(())
    }

    fn drop_oldest(&mut self, commit: &mut Commit<'_>, number: u64, stored: &Stored) {
        commit.remove(stored);
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
        let Some(idempotency_key) = stored.event().idempotency_key() else {
            return;
        };
        if standing.spent < MAX_SPENT_OWN_IDS {
            standing.spent += 1;
            commit.own(idempotency_key, Own::Spent);
        } else {
            standing.spent_overflowed = true;
            commit.forget(idempotency_key);
        }
    }

    /// What a group has changed beside the events: values, and the times of the clock.
    pub(super) fn write_values(&mut self, commit: &mut Commit<'_>, group: &Group) {
        if std::mem::take(&mut self.has_stepped) {
            commit.steps(&self.steps);
        }
        for key in &group.retained {
            commit.retain(key, self.retained.get(key).as_ref());
        }
    }

    /// The oldest event, once the group is committed.
    pub(super) fn find_oldest(&mut self) -> Result<Option<EventId>, Fault> {
        if self.oldest.is_empty() {
            self.read_oldest(self.standing.head)?;
        }
        Ok(self.oldest.front().map(|(_, stored)| stored.id()))
    }
}

/// When the newest event was taken. Where it cannot be read its id says so, or something later.
fn newest_ms(store: &Store, standing: &Standing) -> u64 {
    let newest = store
        .view()
        .events(standing.floor, standing.head)
        .next_back();
    let record = newest.and_then(Result::ok);
    let time_ms = record.and_then(|record| Some(record.decode().ok()?.time_ms));
    time_ms.unwrap_or(standing.head.ms())
}
