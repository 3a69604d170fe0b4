//! Events that were appended together, and are older than the window: each is a place of its own, though a log may
//! keep several as one.

use std::ops::Range;

use sse_broadcaster::{
    Event, EventId, Selector,
    history::{EraseScope, Erasure, From, ReservationGuard},
};

use crate::{
    history::log::{ALL, LARGE, Log, Size, event, ids},
    support::wait_until,
};

const WINDOW: usize = 16;
/// Before and after a restart.
const OPENED: Range<u8> = 0..2;

/// As long as so many characters, which its number begins.
fn numbered(numbers: Range<usize>, length: usize) -> Vec<Event> {
    let topic = |number| if number % 2 == 0 { "even" } else { "odd" };
    numbers
        .map(|number| event(topic(number), &format!("{number:<length$}")))
        .collect()
}

fn topic(name: &str) -> Selector {
    Selector::topics(&[name]).unwrap()
}

pub fn each_event_of_a_batch_is_a_place_to_resume_from(log: fn(Size) -> Log) {
    const EVENTS: usize = 150;
    let mut log = log(Size {
        window: WINDOW,
        ..LARGE
    });
    // Of some kilobytes among others, and one longer than that.
    let lengths = [(0..100, 100), (100..101, 20_000), (101..EVENTS, 1_000)];
    let batch = lengths.map(|(numbers, length)| numbered(numbers, length));
    let all = log.append(batch.concat()).unwrap().ids;
    for _ in OPENED {
        for (at, id) in all.iter().enumerate() {
            let behind = &all[at + 1..];
            let chunk = log.read(From::After(*id), &Selector::all(), ALL);
            assert!(!chunk.gap && ids(&chunk) == behind, "behind {id}");
            let text = id.to_string();
            let chunk = log.read(From::LastEventId(&text), &Selector::all(), ALL);
            assert!(!chunk.gap && ids(&chunk) == behind, "after {text}");
            let chunk = log.read(From::Last(behind.len()), &Selector::all(), ALL);
            assert_eq!(ids(&chunk), behind);
            let odd = (at + 1..EVENTS).filter(|at| at % 2 == 1);
            let odd: Vec<_> = odd.map(|at| all[at]).collect();
            assert_eq!(ids(&log.read(From::After(*id), &topic("odd"), ALL)), odd);
        }
        if !log.reopen() {
            break;
        }
    }
}

pub fn retention_drops_a_part_of_a_batch(log: fn(Size) -> Log) {
    const KEPT: usize = 200;
    let mut log = log(Size {
        log: KEPT,
        window: WINDOW,
        ..LARGE
    });
    let mut all = log.append(numbered(0..KEPT, 100)).unwrap().ids;
    for round in 0..4 {
        // Not as many as are kept as one.
        let later = numbered(0..23 + round, 100);
        all.extend(log.append(later).unwrap().ids);
        let dropped = all.len() - KEPT;
        for _ in OPENED {
            wait_until("the oldest are dropped", || {
                log.history().bounds().events == KEPT
            });
            let left = &all[dropped..];
            let everything = log.read_all(From::Earliest, &Selector::all(), ALL);
            assert_eq!(everything, left);
            let one_topic = [
                log.read(From::Earliest, &topic("even"), ALL),
                log.read(From::Earliest, &topic("odd"), ALL),
            ];
            assert_eq!(
                one_topic
                    .iter()
                    .map(|chunk| chunk.events.len())
                    .sum::<usize>(),
                KEPT
            );
            let resumed = |id: &EventId| {
                let text = id.to_string();
                log.read(From::LastEventId(&text), &Selector::all(), ALL)
            };
            assert!(resumed(&all[dropped - 2]).gap, "it is dropped");
            let behind_floor = resumed(&all[dropped - 1]);
            assert!(!behind_floor.gap && ids(&behind_floor) == left);
            if !log.reopen() {
                break;
            }
        }
    }
}

pub fn many_events_of_a_batch_are_erased_at_once(log: fn(Size) -> Log) {
    const EVENTS: usize = 120;
    let mut log = log(Size {
        window: WINDOW,
        ..LARGE
    });
    let all = log.append(numbered(0..EVENTS, 100)).unwrap().ids;
    log.append(numbered(0..2 * WINDOW, 100)).unwrap();
    let erasure = Erasure {
        topic: "odd".parse().unwrap(),
        up_to: all.last().copied(),
        scope: EraseScope::Every,
    };
    let erasing = log.history().erase(erasure, ReservationGuard::default());
    let erased = log.runtime.block_on(erasing).unwrap();
    assert_eq!((erased.events, erased.more), (EVENTS / 2, false));
    for _ in OPENED {
        let first = log.read(From::Earliest, &topic("even"), ALL);
        let even: Vec<_> = all.iter().copied().step_by(2).collect();
        assert_eq!(ids(&first)[..EVENTS / 2], even);
        for (at, found) in first.events.iter().take(EVENTS / 2).enumerate() {
            let number = (2 * at).to_string();
            assert_eq!(found.event().data().trim_end(), number);
        }
        let odd = log.read(From::Earliest, &topic("odd"), ALL);
        assert_eq!(odd.events.len(), WINDOW);
        assert!(ids(&odd).iter().all(|id| id > all.last().unwrap()));
        // What is left of an erased event is still a place to resume from.
        let text = all[1].to_string();
        let resumed = log.read(From::LastEventId(&text), &topic("even"), ALL);
        assert_eq!(ids(&resumed)[0], all[2]);
        if !log.reopen() {
            break;
        }
    }
}
