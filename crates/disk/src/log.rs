//! The log as its only writer sees it: assigns ids and knows repeats (`append.rs`), erases events (`erase.rs`),
//! drops the oldest (`retention.rs`).

mod append;
mod erase;
mod retention;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Instant,
};

use self::retention::Oldest;
use crate::{
    engine::{Commit, Fault, Store},
    high_water_mark::HighWater,
    lost::LostRanges,
    queue::{Job, Response},
    record::Standing,
};
use sse_broadcaster::internal::{Ids, Retained, Step, Steps, now_ms};
use sse_broadcaster::{
    event::{EventId, IdempotencyKey, Stored},
    history::Retention,
};

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
    /// In order.
    oldest: VecDeque<Oldest>,
}

/// What one commit is to write, and the responses to its jobs.
#[derive(Default)]
pub(super) struct Group {
    pub(super) stored: Vec<Arc<Stored>>,
    pub(super) responses: Vec<Response>,
    /// Jobs for which something cannot be read, in their places among the responses; nothing is written of them.
    pub(super) unread: Vec<(usize, Job)>,
    /// The engine was asked to write it.
    pub(super) attempted: bool,
    idempotency_keys: HashMap<IdempotencyKey, EventId>,
    pub(super) retained: HashSet<String>,
    pub(super) erased: HashSet<EventId>,
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
            erased: 0,
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

    /// Puts a job into a commit. Returns it where something cannot be read for it: nothing is written of it then.
    pub(crate) fn place(
        &mut self,
        commit: &mut Commit<'_>,
        group: &mut Group,
        job: Job,
    ) -> Option<(Job, Fault)> {
        match job {
            Job::Append(batch) => match self.owns(&batch, group) {
                Ok(owns) => self.append(commit, group, batch, owns),
                Err(fault) => return Some((Job::Append(batch), fault)),
            },
            Job::Erase(step) => match self.erasable(&step, group) {
                Ok(found) => self.erase(commit, group, &step, found),
                Err(fault) => return Some((Job::Erase(step), fault)),
            },
        }
        None
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

    /// What the high-water mark is to hold; `synced`: all of it is safe from a power loss.
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
        for found in view.events_back(floor, self.standing.head)? {
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

    /// What a group has changed beside the events: values, and the times of the clock.
    pub(super) fn write_values(&mut self, commit: &mut Commit<'_>, group: &Group) {
        if std::mem::take(&mut self.has_stepped) {
            commit.steps(&self.steps);
        }
        for key in &group.retained {
            commit.retain(key, self.retained.get(key).as_ref());
        }
    }
}

/// When the newest event was taken. Where it cannot be read its id says so, or something later.
fn newest_ms(store: &Store, standing: &Standing) -> u64 {
    let events = store.view().events_back(standing.floor, standing.head);
    let newest = events.ok().and_then(|mut events| events.next());
    let record = newest.and_then(Result::ok);
    let time_ms = record.and_then(|record| Some(record.decode().ok()?.time_ms));
    time_ms.unwrap_or(standing.head.ms())
}
