//! Retained values, which are not subject to retention of events.

use std::sync::Arc;

use sse_broadcaster::{
    EventId,
    history::{
        AppendError, Appended, Batch, MAX_RETAINED_BYTES, MAX_RETAINED_VALUES, Precondition,
        ReservationGuard, Retain,
    },
};

use crate::{
    history::log::{LARGE, Log, Size, event, named},
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

pub fn a_value_of_one_event_of_a_batch_has_the_position_of_that_event(log: fn(Size) -> Log) {
    let log = log(LARGE);
    let of = |index: usize| {
        let retain = vec![
            value("first", "one").of_event(0),
            value("both", "one").of_event(0),
            value("both", "two").of_event(1),
            value("batch", "x"),
        ];
        log.append(batch(retain, vec![])).unwrap().ids[index]
    };
    let second = of(1);
    assert_eq!(get(&log, "batch"), Some(("x".into(), second)));
    assert_eq!(get(&log, "both"), Some(("two".into(), second)));
    let first = of(0);
    assert_eq!(get(&log, "first"), Some(("one".into(), first)));
    // A batch has no third event, and a removal belongs to an event as well.
    let retain = vec![
        value("none", "x").of_event(2),
        removal("first").of_event(0),
        value("first", "again").of_event(usize::MAX),
    ];
    log.append(batch(retain, vec![])).unwrap();
    assert_eq!((get(&log, "none"), get(&log, "first")), (None, None));
}

pub fn a_value_of_an_event_that_is_a_repeat_is_not_written(log: fn(Size) -> Log) {
    let log = log(LARGE);
    let write = |keys: &[&str], retain: Vec<Retain>| {
        let mut batch = Batch::from(keys.iter().map(|key| named(key)).collect::<Vec<_>>());
        batch.retain = retain;
        log.append(batch).unwrap().ids
    };
    let old = write(&["a"], vec![value("k", "old").of_event(0)])[0];
    let new = write(&["b"], vec![value("k", "new").of_event(0)])[0];
    assert!(new > old);
    // Alone, beside a new event, and behind the same key in one batch.
    write(&["a"], vec![value("k", "repeated").of_event(0)]);
    assert_eq!(get(&log, "k"), Some(("new".into(), new)));
    let retain = vec![
        value("k", "first of the two").of_event(1),
        value("k", "repeated").of_event(0),
        value("k", "second of the two").of_event(2),
        value("whole", "x"),
    ];
    let ids = write(&["a", "c", "c", "d"], retain);
    assert_eq!(
        get(&log, "k"),
        Some(("first of the two".into(), ids[1])),
        "{ids:?}"
    );
    assert_eq!(get(&log, "whole"), Some(("x".into(), ids[3])));
    // What is not written needs no room.
    let many = (0..=MAX_RETAINED_VALUES).map(|n| value(&n.to_string(), "").of_event(0));
    write(&["a", "e"], many.collect());
    assert_eq!(get(&log, "0"), None);
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
