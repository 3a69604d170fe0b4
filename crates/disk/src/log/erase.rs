//! Erases events: what is left of each keeps its id, its number and its place.

use std::{sync::Arc, time::Instant};

use super::{Group, Log};
use crate::{
    engine::{Commit, EventBlock, Fault},
    erase::ErasureStep,
    queue::Written,
};
use sse_broadcaster::{
    event::{IdempotencyKey, Stored},
    history::Erased,
    internal::now_ms,
};

/// An event that is to be erased.
pub(super) struct Erasable {
    block: Arc<EventBlock>,
    left: Stored,
    /// What it cost before.
    cost: usize,
    idempotency_key: Option<IdempotencyKey>,
}

impl Log {
    /// The events of a step that are still there, and whole.
    pub(super) fn erasable(
        &self,
        step: &ErasureStep,
        group: &Group,
    ) -> Result<Vec<Erasable>, Fault> {
        let (view, began) = (self.store.view(), Instant::now());
        let mut found = Vec::with_capacity(step.ids.len());
        for id in step.ids.iter().copied() {
            let is_lost = || Ok::<_, Fault>(self.lost.hold(id) && !view.holds(id)?);
            if id <= self.standing.floor || group.erased.contains(&id) || is_lost()? {
                continue;
            }
            let record = view.event(id)?;
            let (_, whole) = record.stored(began)?;
            let event = whole.event();
            if event.is_erased() {
                continue;
            }
            found.push(Erasable {
                block: Arc::clone(record.block()),
                left: whole.erased(),
                cost: event.cost(),
                idempotency_key: event.idempotency_key().cloned(),
            });
        }
        Ok(found)
    }

    /// Erases these, and appends the event that tells of it.
    pub(super) fn erase(
        &mut self,
        commit: &mut Commit<'_>,
        group: &mut Group,
        step: &ErasureStep,
        found: Vec<Erasable>,
    ) {
        let erased = Erased {
            events: found.len(),
            more: step.more,
        };
        let last = found.last().map(|erasable| erasable.left.id());
        for erasable in found {
            group.erased.insert(erasable.left.id());
            self.erase_event(commit, erasable);
        }
        if let Some(last) = last {
            let event = step.erasure.event(last);
            self.take(commit, group, event, None, now_ms());
        }
        group.responses.push(Ok(Written {
            erased,
            ..Written::default()
        }));
    }

    fn erase_event(&mut self, commit: &mut Commit<'_>, erasable: Erasable) {
        let Erasable {
            block,
            left,
            cost,
            idempotency_key,
        } = erasable;
        commit.erase(&block, &left);
        let standing = &mut self.standing;
        standing.erased += 1;
        standing.bytes = standing.bytes.saturating_sub(cost as u64) + left.event().cost() as u64;
        if let Some(idempotency_key) = idempotency_key {
            self.spend(commit, &idempotency_key);
        }
        let at = self
            .oldest
            .binary_search_by_key(&left.id(), |oldest| oldest.stored.id());
        if let Ok(at) = at {
            self.oldest[at].stored = left;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        engine::Store,
        queue::{Job, Response},
        record::STANDING_KEY,
    };
    use sse_broadcaster::{
        Event,
        history::{Batch, EraseScope, Erasure, Retention},
    };

    fn create(directory: &Path) -> Log {
        Log::create(Store::open(directory, 1 << 20).unwrap()).unwrap()
    }

    fn event(topics: &[&str]) -> Event {
        let event = Event::builder("x").idempotency_key(format!("{:020}", fastrand::u64(..)));
        let event = topics
            .iter()
            .fold(event, |event, topic| event.topic(*topic));
        event.build().unwrap()
    }

    fn publish(topics: &[&str]) -> Job {
        Job::Append(Batch::from(event(topics)))
    }

    fn step(log: &Log, topic: &str) -> Job {
        let erasure = Erasure {
            topic: topic.parse().unwrap(),
            up_to: None,
            scope: EraseScope::Every,
        };
        let step = ErasureStep::find(&log.store, erasure, log.standing.head, &log.lost);
        Job::Erase(step.unwrap().unwrap())
    }

    fn commit(log: &mut Log, jobs: Vec<Job>) -> Vec<Response> {
        let store = Arc::clone(&log.store);
        let (mut commit, mut group) = (store.begin(), Group::default());
        for job in jobs {
            assert!(log.place(&mut commit, &mut group, job).is_none());
        }
        commit.finish(&log.standing, false).unwrap();
        log.find_oldest().unwrap();
        group.responses
    }

    fn drop_down_to(log: &mut Log, events: usize) {
        let store = Arc::clone(&log.store);
        let (mut commit, head) = (store.begin(), log.standing.head);
        let retention = Retention::new().events(events);
        log.trim(&mut commit, retention, head).unwrap();
        commit.finish(&log.standing, false).unwrap();
    }

    #[test]
    fn an_event_that_two_erasures_of_one_commit_include_is_erased_once() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = create(directory.path());
        let events = [&["a", "b"][..], &["b"], &["a"]];
        commit(&mut log, events.map(publish).into());
        let steps = vec![step(&log, "a"), step(&log, "b")];
        let responses = commit(&mut log, steps);
        let erased = responses.iter().map(|response| {
            let written = response.as_ref().unwrap();
            written.erased.events
        });
        assert!(erased.eq([2, 1]));
        // With the two events that tell of it.
        assert_eq!((log.standing.erased, log.standing.events()), (3, 2));
        assert_eq!(log.standing.spent, 3);
    }

    #[test]
    fn nothing_is_left_of_erased_events_that_retention_drops() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = create(directory.path());
        let events = [&["a"][..], &["a", "b"], &["a"]];
        commit(&mut log, events.map(publish).into());
        let erasure = vec![step(&log, "a")];
        commit(&mut log, erasure);
        commit(&mut log, vec![publish(&["c"])]);
        assert_eq!((log.standing.erased, log.standing.events()), (3, 2));
        drop_down_to(&mut log, 1);
        assert_eq!((log.standing.erased, log.standing.events()), (0, 1));
        assert_eq!(log.standing.bytes, event(&["c"]).cost() as u64);
        let keys = log.store.index.iter().map(|item| item.key().unwrap());
        let left: Vec<_> = keys.filter(|key| key[0] != b'o').collect();
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(left[0].starts_with(b"tc\0") && *left[1] == STANDING_KEY);
    }
}
