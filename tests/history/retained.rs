//! Retained values, which are not subject to retention of events.

use std::sync::Arc;

use sse_broadcaster::{
    EventId,
    history::{
        AppendError, Appended, Batch, MAX_RETAINED_BYTES, Precondition, ReservationGuard, Retain,
    },
};

use crate::{
    history::log::{LARGE, Log, Size, event},
    support::wait_until,
};

pub fn value(key: &str, value: &str) -> Retain {
    Retain::new(key, Some(value.to_owned().into()))
}

fn removal(key: &str) -> Retain {
    Retain::new(key, None)
}

fn batch(retain: Vec<Retain>, preconditions: Vec<(&str, Option<EventId>)>) -> Batch {
    let mut batch = Batch::from(vec![event("a", "1"), event("a", "2")]);
    batch.retain = retain;
    for (key, written_at) in preconditions {
        batch = batch.precondition(Precondition::new(key, written_at));
    }
    batch
}

pub fn get(log: &Log, key: &str) -> Option<(String, EventId)> {
    let retained = log
        .runtime
        .block_on(log.history().retained(&[key]))
        .unwrap();
    let [found]: [_; 1] = retained.values.try_into().unwrap();
    found.map(|(value, id)| (String::from_utf8(value.to_vec()).unwrap(), id))
}

pub fn a_value_is_kept_with_the_position_of_its_batch(log: fn(Size) -> Log) {
    let log = log(LARGE);
    let written = log.append(batch(vec![value("k", "one"), value("l", "")], vec![]));
    let last = written.unwrap().ids[1];
    assert_eq!(get(&log, "k"), Some(("one".into(), last)));
    assert_eq!(get(&log, "l"), Some((String::new(), last)));
    assert_eq!(get(&log, "m"), None);
    // The later of two for one key counts, and a removal as well.
    let written = log.append(batch(
        vec![value("k", "two"), value("k", "three"), removal("l")],
        vec![],
    ));
    let last = written.unwrap().ids[1];
    assert_eq!(get(&log, "k"), Some(("three".into(), last)));
    assert_eq!(get(&log, "l"), None);
}

pub fn what_was_not_expected_is_a_conflict_and_nothing_is_written(log: fn(Size) -> Log) {
    let log = log(LARGE);
    let conflict = |key: &str, written_at| {
        Err(AppendError::Conflict {
            key: key.into(),
            written_at,
        })
    };
    let head = log.history().bounds().head;
    let refused = log.append(batch(vec![value("k", "x")], vec![("k", Some(head))]));
    assert_eq!(refused, conflict("k", None));
    assert_eq!((get(&log, "k"), log.history().bounds().head), (None, head));

    let first = log.append(batch(vec![value("k", "one")], vec![("k", None)]));
    let first = first.unwrap().ids[1];
    let refused = log.append(batch(vec![value("k", "x")], vec![("k", None)]));
    assert_eq!(refused, conflict("k", Some(first)));
    let second = log.append(batch(vec![value("k", "two")], vec![("k", Some(first))]));
    assert_eq!(get(&log, "k"), Some(("two".into(), second.unwrap().ids[1])));
}

pub fn of_two_that_expect_the_same_one_wins(log: fn(Size) -> Log) {
    let log = log(LARGE);
    for round in 0..20 {
        let before = get(&log, "k").map(|(_, id)| id);
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let history = Arc::clone(log.history());
                let wanted = value("k", &format!("{round} {writer}"));
                let wanted = batch(vec![wanted], vec![("k", before)]);
                log.runtime
                    .spawn(async move { history.append(wanted, ReservationGuard::default()).await })
            })
            .collect();
        let outcomes: Vec<_> = writers
            .into_iter()
            .map(|writer| log.runtime.block_on(writer).unwrap())
            .collect();
        let won: Vec<_> = outcomes.iter().flatten().map(|won| won.ids[1]).collect();
        assert_eq!(won.len(), 1, "{outcomes:?}");
        assert_eq!(get(&log, "k").map(|(_, id)| id), Some(won[0]));
    }
}

pub fn values_outlive_the_events_they_came_with(log: fn(Size) -> Log) {
    let log = log(Size {
        log: 16,
        window: 16,
        ..LARGE
    });
    let written = log.append(batch(vec![value("k", "kept")], vec![])).unwrap();
    for _ in 0..40 {
        log.publish("a", "x");
    }
    assert_eq!(get(&log, "k"), Some(("kept".into(), written.ids[1])));
}

/// Its outcome once that is known: a value of 16 MiB may take a busy machine longer than Redis is waited for,
/// and writing it again changes nothing.
fn settled(log: &Log, retain: &[Retain]) -> Result<Appended, AppendError> {
    let mut outcome = None;
    wait_until("the outcome is known", || {
        let appended = log.append(batch(retain.to_vec(), vec![]));
        let is_known = !matches!(
            appended,
            Err(AppendError::OutcomeUnknown(_) | AppendError::Unavailable(_))
        );
        outcome = Some(appended);
        is_known
    });
    outcome.expect("an outcome")
}

pub fn values_have_a_bound(log: fn(Size) -> Log) {
    let log = log(LARGE);
    let part = "x".repeat(MAX_RETAINED_BYTES / 4);
    for key in ["a", "b", "c"] {
        settled(&log, &[value(key, &part)]).unwrap();
    }
    let head = log.history().bounds().head;
    let refused = settled(&log, &[value("d", &part)]);
    assert_eq!(refused, Err(AppendError::RetainedFull));
    assert_eq!(log.history().bounds().head, head);
    // In place of another there is room.
    settled(&log, &[value("d", &part), removal("a")]).unwrap();
    let keys = ["a", "d"];
    wait_until("values are read", || {
        let retained = log.runtime.block_on(log.history().retained(&keys));
        retained.is_ok_and(|retained| {
            let [a, d] = &retained.values[..] else {
                panic!("a value for each key");
            };
            assert!(a.is_none() && d.is_some());
            true
        })
    });
}

pub fn a_value_comes_with_an_event(log: fn(Size) -> Log) {
    let log = log(LARGE);
    let alone = Batch::default().retain(value("k", "x"));
    assert_eq!(log.append(alone), Err(AppendError::NoEvents));
    assert_eq!(get(&log, "k"), None);
}

pub fn values_are_there_after_a_restart(log: fn(Size) -> Log) {
    let mut log = log(LARGE);
    let written = log.append(batch(vec![value("k", "kept"), value("l", "x")], vec![]));
    let written = written.unwrap().ids[1];
    log.append(batch(vec![removal("l")], vec![])).unwrap();
    if log.reopen() {
        assert_eq!(get(&log, "k"), Some(("kept".into(), written)));
        assert_eq!(get(&log, "l"), None);
        let next = batch(vec![value("k", "next")], vec![("k", Some(written))]);
        log.append(next).unwrap();
    }
}
