//! Appending: positions, their order, and what is kept of a batch.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use sse_broadcaster::{
    Broadcaster, EventId, Options, Selector,
    history::{From, ReservationGuard},
};

use crate::{
    history::log::{ALL, LARGE, Log, Size, event, ids},
    support::wait_until,
};

pub fn positions_increase_and_come_in_order_through_the_window(log: fn(Size) -> Log) {
    let log = log(LARGE);
    let birth = log.window().bounds().head;
    let positions: Vec<EventId> = (0..300).map(|n| log.publish("a", &n.to_string())).collect();
    assert!(positions[0] > birth);
    assert!(positions.is_sorted_by(|a, b| a < b), "{positions:?}");
    let window = log.window().read(From::Earliest, &Selector::all(), ALL);
    assert_eq!(ids(&window), positions);
}

pub fn concurrent_appends_have_one_order_for_all(log: fn(Size) -> Log) {
    let log = log(LARGE);
    let publishers = (0..16).map(|publisher| {
        let history = Arc::clone(log.history());
        log.runtime.spawn(async move {
            let mut positions = Vec::new();
            for n in 0..40 {
                let one = event("a", &format!("{publisher} {n}"));
                let appended = history
                    .append(one.into(), ReservationGuard::default())
                    .await
                    .unwrap();
                positions.push((appended.ids[0], format!("{publisher} {n}")));
            }
            assert!(positions.is_sorted());
            positions
        })
    });
    let publishers: Vec<_> = publishers.collect();
    let mut answered: Vec<_> = publishers
        .into_iter()
        .flat_map(|publisher| log.runtime.block_on(publisher).unwrap())
        .collect();
    answered.sort();
    log.wait_for(answered.last().map(|(id, _)| *id));
    for selector in [Selector::all(), Selector::topics(&["a"]).unwrap()] {
        let chunk = log.read(From::Earliest, &selector, ALL);
        let read = chunk.events.iter();
        let read: Vec<_> = read
            .map(|stored| (stored.id(), stored.event().data().to_owned()))
            .collect();
        assert_eq!(read, answered);
    }
}

pub fn a_batch_stands_together(log: fn(Size) -> Log) {
    let log = log(LARGE);
    let publishers: Vec<_> = (0..8)
        .map(|publisher| {
            let history = Arc::clone(log.history());
            log.runtime.spawn(async move {
                let mut last = None;
                for _ in 0..10 {
                    let batch = vec![event("a", &publisher.to_string()); 5];
                    let appended = history
                        .append(batch.into(), ReservationGuard::default())
                        .await
                        .unwrap();
                    assert_eq!(appended.ids.len(), 5);
                    last = appended.ids.last().copied();
                }
                last
            })
        })
        .collect();
    let last = publishers
        .into_iter()
        .map(|publisher| log.runtime.block_on(publisher).unwrap());
    log.wait_for(last.max().flatten());
    let chunk = log.read(From::Earliest, &Selector::all(), ALL);
    assert_eq!(chunk.events.len(), 400);
    for batch in chunk.events.chunks(5) {
        let of = |index: usize| batch[index].event().data();
        assert!((1..5).all(|index| of(index) == of(0)), "{batch:?}");
    }
}

pub fn what_is_reserved_is_given_back_when_it_is_in_the_window(log: fn(Size) -> Log) {
    let log = log(Size {
        window: 64,
        ..LARGE
    });
    let _runtime = log.runtime.enter();
    let options = Options::default().max_event_bytes(1_000);
    let broadcaster = Broadcaster::on(Arc::clone(log.history()), options).unwrap();
    // Many times what may be reserved at once.
    for n in 0..400 {
        let publish = broadcaster.publish(event("a", &n.to_string()));
        log.runtime.block_on(publish).unwrap();
    }
    let refused = Arc::new(AtomicBool::new(false));
    let publishers = (0..64).map(|n| {
        let (broadcaster, refused) = (broadcaster.clone(), Arc::clone(&refused));
        log.runtime.spawn(async move {
            let published = broadcaster.publish(event("a", &n.to_string())).await;
            refused.fetch_or(published.is_err(), Ordering::Relaxed);
        })
    });
    for publisher in publishers.collect::<Vec<_>>() {
        log.runtime.block_on(publisher).unwrap();
    }
    assert!(!refused.load(Ordering::Relaxed));
}

pub fn an_append_whose_caller_is_gone_is_kept(log: fn(Size) -> Log) {
    let log = log(LARGE);
    for n in 0..50 {
        let mut append = log.history().append(
            event("a", &n.to_string()).into(),
            ReservationGuard::default(),
        );
        log.runtime.block_on(async {
            // Begun, and dropped.
            let _ = futures_util::poll!(&mut append);
        });
    }
    let last = log.publish("a", "last");
    wait_until("what was begun has come", || {
        let chunk = log.read(From::Earliest, &Selector::all(), ALL);
        ids(&chunk).contains(&last) && chunk.events.len() == 51
    });
}
