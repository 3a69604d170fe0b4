//! Streams whose grants end: `expiring` before, and the cut.

mod sockets;

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use sse_broadcaster::{
    Broadcaster, Event, Memory, Options, Selector, Start, Subscription,
    broadcaster::{EncodedStream, Item},
    encoding::Sse,
    history::Retention,
    sse::{EXPIRING_BEFORE_END, Notice},
};

use crate::support::PATIENCE;

/// How often the clock is checked, by default.
const POLL: Duration = Duration::from_millis(500);

fn start() -> Broadcaster {
    Broadcaster::start(Memory::new(Retention::default()), Options::default()).unwrap()
}

fn until(deadline: Instant) -> Selector {
    Selector::topics(&["a"]).unwrap().until(deadline)
}

async fn item(stream: &mut Subscription) -> Option<Item> {
    let item = tokio::time::timeout(PATIENCE, stream.next());
    item.await.expect("something is due")
}

/// The next item but for pings.
async fn notice(stream: &mut Subscription) -> Option<Notice> {
    loop {
        match item(stream).await? {
            Item::Notice(Notice::Ping) => {}
            Item::Notice(notice) => return Some(notice),
            other => panic!("{other:?} is no notice"),
        }
    }
}

#[tokio::test]
async fn a_stream_is_sent_expiring_once_thirty_seconds_before_its_end() {
    let broadcaster = start();
    // It ends 0 to 7.6 s earlier.
    let deadline = Instant::now() + Duration::from_secs(38);
    let mut stream = broadcaster.subscribe(until(deadline), Start::Live).unwrap();
    assert!(matches!(notice(&mut stream).await, Some(Notice::Retry(_))));
    let connected = notice(&mut stream).await;
    assert!(matches!(connected, Some(Notice::Connected(_))));
    let Some(Notice::Expiring { after }) = notice(&mut stream).await else {
        panic!("not expiring");
    };
    let tolerated = Duration::from_secs(5);
    assert!(
        after <= EXPIRING_BEFORE_END + POLL && after + tolerated >= EXPIRING_BEFORE_END,
        "{after:?}"
    );
    let end = Instant::now() + after;
    assert!(end <= deadline, "it ends with its grant at the latest");
    // Nothing repeats the notice.
    let next = tokio::time::timeout(4 * POLL, notice(&mut stream)).await;
    assert!(next.is_err(), "{next:?}");
}

#[tokio::test]
async fn streams_of_one_short_grant_are_sent_expiring_at_once_and_end_one_after_the_other() {
    const STREAMS: usize = 40;
    const GRANT: Duration = Duration::from_secs(5);
    let broadcaster = start();
    let deadline = Instant::now() + GRANT;
    let streams = (0..STREAMS).map(|_| {
        let mut stream = broadcaster.subscribe(until(deadline), Start::Live).unwrap();
        async move {
            assert!(matches!(notice(&mut stream).await, Some(Notice::Retry(_))));
            let connected = notice(&mut stream).await;
            assert!(matches!(connected, Some(Notice::Connected(_))));
            let Some(Notice::Expiring { after }) = notice(&mut stream).await else {
                panic!("not expiring");
            };
            assert!(after <= GRANT && after >= GRANT / 2, "{after:?}");
            let announced = Instant::now() + after;
            assert_eq!(notice(&mut stream).await, None);
            let ended = Instant::now();
            assert!(
                ended + 2 * POLL > announced,
                "not before what was announced"
            );
            (announced, ended)
        }
    });
    let ends = futures_util::future::join_all(streams).await;
    let last = ends.iter().map(|(_, ended)| *ended).max().unwrap();
    // A busy machine may be late.
    assert!(last <= deadline + PATIENCE, "{:?} late", last - deadline);
    // Not all at one check of the clock. A busy machine may end them together all the same.
    let announced = ends.iter().map(|(announced, _)| *announced);
    let (first, last) = (announced.clone().min().unwrap(), announced.max().unwrap());
    assert!(last - first >= POLL / 2, "all within {:?}", last - first);
}

#[tokio::test]
async fn expiring_comes_right_behind_connected_where_events_are_replayed() {
    let broadcaster = start();
    let event = Event::builder("x").topic("a").build().unwrap();
    broadcaster.publish(event).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let selector = until(deadline);
    let mut stream = broadcaster.subscribe(selector, Start::Earliest).unwrap();
    let mut names = Vec::new();
    while names.last() != Some(&"events") {
        names.push(match item(&mut stream).await.expect("it goes on") {
            Item::Notice(Notice::Retry(_)) => "retry",
            Item::Notice(Notice::Connected(_)) => "connected",
            Item::Notice(Notice::Expiring { .. }) => "expiring",
            Item::Events(_) => "events",
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(names, ["retry", "connected", "expiring", "events"]);
}

#[tokio::test]
async fn a_stream_whose_grant_has_ended_is_cut_at_once() {
    let broadcaster = start();
    for start in [Start::Live, Start::Earliest] {
        let mut stream = broadcaster.subscribe(until(Instant::now()), start).unwrap();
        assert!(matches!(notice(&mut stream).await, Some(Notice::Retry(_))));
        assert_eq!(notice(&mut stream).await, None);
    }
}

#[tokio::test]
async fn streams_that_end_at_different_times_are_sent_the_same_bytes() {
    let broadcaster = start();
    let now = Instant::now();
    let mut streams = [60, 120].map(|secs| {
        let selector = until(now + Duration::from_secs(secs));
        let stream = broadcaster.subscribe(selector, Start::Live).unwrap();
        stream.encoded(&Sse)
    });
    let next = async |stream: &mut EncodedStream| {
        let next = tokio::time::timeout(PATIENCE, stream.next()).await;
        next.expect("something is due").unwrap().unwrap()
    };
    for stream in &mut streams {
        next(stream).await;
    }
    let event = || Event::builder("x").topic("a").build().unwrap();
    broadcaster.publish(vec![event(), event()]).await.unwrap();
    let [first, second] = &mut streams;
    let (first, second) = (next(first).await, next(second).await);
    assert_eq!(first.as_ptr(), second.as_ptr(), "they are encoded once");
    assert!(
        first.ends_with(b"\n\n") && first.windows(4).filter(|four| four == b"id: ").count() == 2
    );
}
