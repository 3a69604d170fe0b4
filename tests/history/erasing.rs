//! Events that are erased before retention drops them.

use std::ops::Range;

use sse_broadcaster::{
    Event, EventId, Selector,
    history::{
        EraseScope, Erased, Erasure, From, MAX_ERASED_AT_ONCE, NameKind, NameRange,
        ReservationGuard,
    },
};

use crate::{
    history::log::{ALL, LARGE, Log, Size, event, ids},
    support::wait_until,
};

const WINDOW: usize = 16;
const BEYOND_WINDOW: Size = Size {
    window: WINDOW,
    ..LARGE
};

/// Before and after a restart.
const OPENED: Range<u8> = 0..2;

fn topic(name: &str) -> Selector {
    Selector::topics(&[name]).unwrap()
}

/// One step.
fn erase(log: &Log, topic: &str, up_to: Option<EventId>, scope: EraseScope) -> Erased {
    let before = log.window().bounds().head;
    let erasure = Erasure {
        topic: topic.parse().unwrap(),
        up_to,
        scope,
    };
    let erasing = log.history().erase(erasure, ReservationGuard::default());
    let erased = log.runtime.block_on(erasing).unwrap();
    if erased.events > 0 {
        wait_until("the window has the erasure", || {
            log.window().bounds().head > before
        });
    }
    erased
}

fn erase_all(log: &Log, topic: &str) -> usize {
    let erased = erase(log, topic, None, EraseScope::Every);
    assert!(!erased.more);
    erased.events
}

fn data(log: &Log, from: From<'_>, selector: &Selector) -> Vec<String> {
    let chunk = log.read(from, selector, ALL);
    let data = chunk.events.iter().map(|found| found.event().data());
    data.map(str::to_owned).collect()
}

pub fn erased_events_are_gone_and_who_lacks_them_is_told(log: fn(Size) -> Log) {
    let mut log = log(LARGE);
    let birth = log.history().bounds().head;
    let first = log.publish("a", "1");
    let other = log.publish("b", "2");
    let last = log.publish("a", "3");
    assert_eq!(erase_all(&log, "a"), 2);
    for _ in OPENED {
        for selector in [Selector::all(), topic("a")] {
            let chunk = log.read(From::After(birth), &selector, ALL);
            assert_eq!((chunk.gap, chunk.erased), (false, Some(last)));
            let left = if selector == topic("a") {
                vec![]
            } else {
                vec![other]
            };
            assert_eq!(ids(&chunk), left);
        }
        let chunk = log.read(From::After(birth), &topic("b"), ALL);
        assert_eq!((chunk.erased, ids(&chunk)), (None, vec![other]));
        // An id that was erased is known, and only what comes behind it is missing.
        for (id, erased) in [(first, Some(last)), (last, None)] {
            let chunk = log.read(From::LastEventId(&id.to_string()), &topic("a"), ALL);
            assert_eq!((chunk.gap, chunk.erased), (false, erased));
        }
        if !log.reopen() {
            break;
        }
    }
    assert_eq!(erase_all(&log, "a"), 0);
    let later = log.publish("a", "4");
    let chunk = log.read(From::After(last), &topic("a"), ALL);
    assert_eq!((chunk.erased, ids(&chunk)), (None, vec![later]));
}

pub fn nothing_to_erase_appends_nothing(log: fn(Size) -> Log) {
    let log = log(LARGE);
    log.publish("a", "1");
    let head = log.window().bounds().head;
    assert_eq!(erase_all(&log, "b"), 0);
    assert_eq!(
        erase(&log, "a", Some(EventId::new(1, 1)), EraseScope::Every),
        Erased::default()
    );
    assert_eq!(log.window().bounds().head, head);
}

pub fn erased_events_do_not_count_and_their_topic_is_listed_no_more(log: fn(Size) -> Log) {
    let log = log(BEYOND_WINDOW);
    for number in 0..40 {
        log.publish(["a", "b"][number % 2], &number.to_string());
    }
    let before = log.history().bounds();
    assert_eq!(erase_all(&log, "a"), 20);
    // With the event that tells of it.
    wait_until("they do not count", || log.history().bounds().events == 21);
    assert!(log.history().bounds().bytes < before.bytes);
    let names = log.history().names(NameKind::Topics, NameRange::new(100));
    let names = log.runtime.block_on(names).unwrap();
    let clients = names
        .found
        .iter()
        .filter(|(name, _)| !name.starts_with('$'));
    assert!(clients.map(|(name, _)| name).eq(["b"]));
}

pub fn what_is_older_than_the_window_is_erased_in_steps(log: fn(Size) -> Log) {
    let log = log(BEYOND_WINDOW);
    let birth = log.history().bounds().head;
    let events: Vec<_> = (0..600)
        .map(|number| event("a", &number.to_string()))
        .collect();
    for part in events.chunks(4) {
        log.append(part.to_vec()).unwrap();
    }
    log.publish("b", "kept");
    let first = erase(&log, "a", None, EraseScope::Every);
    assert_eq!((first.events, first.more), (MAX_ERASED_AT_ONCE, true));
    let left = data(&log, From::After(birth), &topic("a"));
    assert_eq!(
        (left.len(), left[0].as_str()),
        (600 - MAX_ERASED_AT_ONCE, "512")
    );
    let last = erase(&log, "a", None, EraseScope::Every);
    assert_eq!((last.events, last.more), (600 - MAX_ERASED_AT_ONCE, false));
    assert_eq!(data(&log, From::After(birth), &Selector::all()), ["kept"]);
}

pub fn an_erasure_ends_at_its_position_and_may_leave_events_of_other_topics(log: fn(Size) -> Log) {
    let log = log(BEYOND_WINDOW);
    let birth = log.history().bounds().head;
    let both = || {
        Event::builder("both")
            .topic("a")
            .topic("b")
            .build()
            .unwrap()
    };
    log.publish("a", "1");
    log.append(both()).unwrap();
    let up_to = log.publish("a", "2");
    log.publish("a", "3");
    for _ in 0..2 * WINDOW {
        log.publish("c", "x");
    }
    let alone = erase(&log, "a", Some(up_to), EraseScope::Alone);
    assert_eq!((alone.events, alone.more), (2, false));
    assert_eq!(data(&log, From::After(birth), &topic("a")), ["both", "3"]);
    let every = erase(&log, "a", Some(up_to), EraseScope::Every);
    assert_eq!((every.events, every.more), (1, false));
    assert_eq!(data(&log, From::After(birth), &topic("a")), ["3"]);
    let of_other = log.read(From::After(birth), &topic("b"), ALL);
    assert!(of_other.events.is_empty() && of_other.erased.is_some());
}

pub fn the_last_so_many_are_counted_without_those_that_were_erased(log: fn(Size) -> Log) {
    let log = log(BEYOND_WINDOW);
    for number in 0..10 {
        log.publish("a", &format!("a{number}"));
        log.publish("b", &format!("b{number}"));
    }
    let up_to = log.read(From::Last(3), &topic("a"), ALL).after;
    erase(&log, "a", Some(up_to), EraseScope::Every);
    assert_eq!(data(&log, From::Last(5), &topic("a")), ["a7", "a8", "a9"]);
    // Of ten events, three are left of one topic.
    let last = data(&log, From::Last(12), &Selector::all());
    assert_eq!(
        last,
        [
            "b1", "b2", "b3", "b4", "b5", "b6", "a7", "b7", "a8", "b8", "a9", "b9"
        ]
    );
}

pub fn only_those_who_may_read_them_lack_private_events_that_were_erased(log: fn(Size) -> Log) {
    let log = log(BEYOND_WINDOW);
    let birth = log.history().bounds().head;
    let private = Event::builder("x").topic("a").private().build().unwrap();
    let id = log.append(private).unwrap().ids[0];
    for _ in 0..2 * WINDOW {
        log.publish("b", "x");
    }
    assert_eq!(erase_all(&log, "a"), 1);
    for selector in [topic("a"), Selector::all()] {
        let erased = |selector: &Selector| log.read(From::After(birth), selector, ALL).erased;
        assert_eq!(erased(&selector), None);
        assert_eq!(erased(&selector.with_private()), Some(id));
    }
}

pub fn the_idempotency_key_of_an_erased_event_is_free_again(log: fn(Size) -> Log) {
    let log = log(BEYOND_WINDOW);
    let keyed = || {
        let event = Event::builder("x").topic("a").idempotency_key("key");
        event.build().unwrap()
    };
    let first = log.append(keyed()).unwrap().ids[0];
    for _ in 0..2 * WINDOW {
        log.publish("b", "x");
    }
    assert_eq!(erase_all(&log, "a"), 1);
    let again = log.append(keyed()).unwrap().ids[0];
    assert!(again > first);
    // It stood for another event before.
    assert!(log.read(From::LastEventId("key"), &topic("a"), ALL).gap);
}

pub fn retention_passes_over_erased_events(log: fn(Size) -> Log) {
    let mut log = log(Size {
        log: 60,
        window: WINDOW,
        ..LARGE
    });
    let kept = log.publish("quiet", "kept");
    for round in 0..6 {
        for _ in 0..20 {
            log.publish("busy", "x");
        }
        assert_eq!(erase_all(&log, "busy"), 20);
        let all = log.read(From::Earliest, &topic("quiet"), ALL);
        assert_eq!(ids(&all), [kept], "after {round} rounds");
    }
    for number in 0..80 {
        log.publish("later", &number.to_string());
    }
    for _ in OPENED {
        wait_until("the oldest are dropped", || {
            log.history().bounds().events <= 60
        });
        assert!(log.read(From::After(kept), &topic("busy"), ALL).gap);
        let left = data(&log, From::Earliest, &Selector::all());
        assert_eq!(left.last().unwrap(), "79");
        assert!(left.len() >= 50, "{}", left.len());
        if !log.reopen() {
            break;
        }
    }
}
