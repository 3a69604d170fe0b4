//! Idempotency keys: a publish that is repeated is stored once.

use sse_broadcaster::{
    Selector,
    history::{Batch, From, Precondition},
};

use crate::history::log::{ALL, LARGE, Log, Size, event, ids, named};

const SMALL: Size = Size {
    log: 16,
    window: 16,
    ..LARGE
};

pub fn an_idempotency_key_that_is_held_is_answered_with_the_first_position(log: fn(Size) -> Log) {
    let log = log(LARGE);
    let first = log.append(named("a")).unwrap();
    log.publish("x", "between");
    assert_eq!(log.append(named("a")).unwrap(), first);
    let mixed = log
        .append(vec![named("b"), named("a"), named("c")])
        .unwrap();
    assert_eq!(mixed.ids[1], first.ids[0]);
    let chunk = log.read(From::Earliest, &Selector::all(), ALL);
    assert_eq!(chunk.events.len(), 4);
}

pub fn an_idempotency_key_that_stands_twice_in_a_batch_is_stored_once(log: fn(Size) -> Log) {
    let log = log(LARGE);
    let appended = log
        .append(vec![named("a"), named("a"), named("b")])
        .unwrap();
    assert_eq!(appended.ids[0], appended.ids[1]);
    assert!(appended.ids[2] > appended.ids[0]);
    let chunk = log.read(From::Earliest, &Selector::all(), ALL);
    assert_eq!(ids(&chunk), [appended.ids[0], appended.ids[2]]);
}

pub fn repeats_alone_write_nothing_whatever_they_expect(log: fn(Size) -> Log) {
    let log = log(LARGE);
    let first = log.append(named("a")).unwrap();
    let repeat = Batch::from(named("a"))
        .retain(crate::history::retained::value("key", "v"))
        .precondition(Precondition::new("other", Some(first.ids[0])));
    assert_eq!(log.append(repeat).unwrap(), first);
    assert_eq!(crate::history::retained::get(&log, "key"), None);
}

pub fn an_idempotency_key_is_a_place_to_resume_from(log: fn(Size) -> Log) {
    let log = log(LARGE);
    log.append(named("a")).unwrap();
    let after = log.publish("x", "after");
    let chunk = log.read(From::LastEventId("a"), &Selector::all(), ALL);
    assert!(!chunk.gap);
    assert_eq!(ids(&chunk), [after]);
    assert!(log.read(From::LastEventId("b"), &Selector::all(), ALL).gap);
}

pub fn an_idempotency_key_whose_event_was_dropped_is_stored_anew_and_names_no_place(
    log: fn(Size) -> Log,
) {
    let log = log(SMALL);
    let first = log.append(named("a")).unwrap();
    for _ in 0..16 {
        log.publish("x", "pushes it out");
    }
    assert!(log.read(From::LastEventId("a"), &Selector::all(), ALL).gap);
    let second = log.append(named("a")).unwrap();
    assert!(second.ids[0] > first.ids[0]);
    assert!(log.read(From::LastEventId("a"), &Selector::all(), ALL).gap);
    assert_eq!(log.append(named("a")).unwrap(), second);
}

pub fn idempotency_keys_are_found_again_after_a_restart(log: fn(Size) -> Log) {
    let mut log = log(SMALL);
    log.append(named("gone")).unwrap();
    for _ in 0..16 {
        log.append(event("x", "pushes it out")).unwrap();
    }
    let first = log.append(named("a")).unwrap();
    if !log.reopen() {
        return;
    }
    assert_eq!(log.append(named("a")).unwrap(), first);
    assert!(!log.read(From::LastEventId("a"), &Selector::all(), ALL).gap);
    log.append(named("gone")).unwrap();
    assert!(
        log.read(From::LastEventId("gone"), &Selector::all(), ALL)
            .gap
    );
}
