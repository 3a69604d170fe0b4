//! The epoch of a log, and what it reports as lost.

use std::time::{Duration, UNIX_EPOCH};

use sse_broadcaster::{EventId, Selector, history::From};

use crate::history::log::{ALL, LARGE, Log, Size, ids};

const SMALL: Size = Size {
    log: 100,
    window: 20,
    ..LARGE
};

pub fn what_was_never_known_is_a_gap(log: fn(Size) -> Log) {
    let log = log(LARGE);
    let first = log.publish("a", "1");
    let second = log.publish("a", "2");
    let between = EventId::new(second.ms(), second.seq() + 1).to_string();
    let far = EventId::new(second.ms() + 1_000_000, 1).to_string();
    for unknown in [
        "0-0",
        "1-1",
        "garbage",
        "",
        &between,
        &far,
        " 1-1",
        "18446744073709551615-0",
    ] {
        for selector in [Selector::all(), Selector::topics(&["a"]).unwrap()] {
            let chunk = log.read(From::LastEventId(unknown), &selector, ALL);
            assert!(chunk.gap, "{unknown}");
            assert_eq!(ids(&chunk), [first, second], "{unknown}");
        }
    }
}

pub fn the_birth_of_a_log_is_known(log: fn(Size) -> Log) {
    let log = log(LARGE);
    let bounds = log.history().bounds();
    assert_eq!(
        (bounds.trim_floor, bounds.oldest, bounds.events),
        (bounds.head, None, 0)
    );
    let birth = bounds.head.to_string();
    let first = log.publish("a", "1");
    let chunk = log.read(From::LastEventId(&birth), &Selector::all(), ALL);
    assert_eq!((chunk.gap, ids(&chunk)), (false, vec![first]));
    assert_ne!(birth, "0-0");
}

pub fn what_retention_dropped_is_a_gap_and_the_floor_is_not(log: fn(Size) -> Log) {
    let log = log(SMALL);
    let birth = log.history().bounds().head;
    let all: Vec<_> = (0..150).map(|n| log.publish("a", &n.to_string())).collect();
    crate::support::wait_until("the oldest are dropped", || {
        log.history().bounds().events <= 100
    });
    let bounds = log.history().bounds();
    let kept = &all[150 - bounds.events..];
    assert_eq!(bounds.oldest, Some(kept[0]));
    let floor = all[150 - bounds.events - 1];
    assert_eq!((bounds.trim_floor, bounds.head), (floor, all[149]));
    for selector in [Selector::all(), Selector::topics(&["a"]).unwrap()] {
        for dropped in [birth, all[0]] {
            let text = dropped.to_string();
            for from in [From::LastEventId(&text), From::After(dropped)] {
                let lost = log.read(from, &selector, ALL);
                assert_eq!(
                    (lost.gap, lost.after, ids(&lost)),
                    (true, floor, kept.to_vec()),
                    "{from:?}"
                );
            }
        }
        let known = log.read(From::LastEventId(&floor.to_string()), &selector, ALL);
        assert_eq!((known.gap, ids(&known)), (false, kept.to_vec()));
        assert_eq!(ids(&log.read(From::Earliest, &selector, ALL)), kept);
    }
    let at_the_floor = From::Since(UNIX_EPOCH + Duration::from_millis(floor.ms()));
    assert!(log.read(at_the_floor, &Selector::all(), ALL).gap);
}

pub fn bytes_bound_a_log_too(log: fn(Size) -> Log) {
    let log = log(Size {
        bytes: 100_000,
        ..LARGE
    });
    let data = "x".repeat(1_000);
    for _ in 0..200 {
        log.publish("a", &data);
    }
    let bounds = log.history().bounds();
    assert!(bounds.bytes <= 100_000 && bounds.events > 20, "{bounds:?}");
    assert_eq!(
        log.read(From::Earliest, &Selector::all(), ALL).events.len(),
        bounds.events
    );
}

pub fn ids_of_another_log_are_not_known(log: fn(Size) -> Log) {
    let (one, other) = (log(LARGE), log(LARGE));
    let theirs: Vec<_> = (0..50).map(|n| one.publish("a", &n.to_string())).collect();
    for n in 0..50 {
        other.publish("a", &n.to_string());
    }
    assert_ne!(one.history().bounds().epoch, other.history().bounds().epoch);
    // A sequence begins at random in each log.
    let known = theirs.iter().filter(|id| {
        !other
            .read(From::LastEventId(&id.to_string()), &Selector::all(), ALL)
            .gap
    });
    assert_eq!(known.count(), 0);
}

pub fn ids_go_on_increasing_after_a_restart(log: fn(Size) -> Log) {
    let mut log = log(SMALL);
    let mut last = log.history().bounds().head;
    for _ in 0..3 {
        for n in 0..30 {
            let next = log.publish("a", &n.to_string());
            assert!(next > last);
            last = next;
        }
        if !log.reopen() {
            return;
        }
        assert_eq!(log.history().bounds().head, last);
    }
}

pub fn a_restart_loses_nothing_and_repeats_nothing(log: fn(Size) -> Log) {
    let mut log = log(SMALL);
    let mut all: Vec<_> = (0..130).map(|n| log.publish("a", &n.to_string())).collect();
    let before = log.history().bounds();
    if !log.reopen() {
        return;
    }
    let after = log.history().bounds();
    assert_eq!(after, before);
    assert_eq!(log.window().bounds().events, SMALL.window);
    assert_eq!(log.window().bounds().head, all[129]);
    let chunk = log.read(
        From::LastEventId(&all[100].to_string()),
        &Selector::all(),
        ALL,
    );
    assert_eq!((chunk.gap, ids(&chunk)), (false, all[101..].to_vec()));
    let chunk = log.read(
        From::LastEventId(&all[35].to_string()),
        &Selector::all(),
        ALL,
    );
    assert_eq!((chunk.gap, ids(&chunk)), (false, all[36..].to_vec()));
    all.push(log.publish("a", "one more"));
    let chunk = log.read(
        From::LastEventId(&all[129].to_string()),
        &Selector::all(),
        ALL,
    );
    assert_eq!((chunk.gap, ids(&chunk)), (false, all[130..].to_vec()));
}
