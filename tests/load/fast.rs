//! Publishers at full speed, and many subscribers that read.

use std::{
    io::{Read, Write},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crate::{
    load::subscribers::{Crowd, room_for},
    support::{Server, Stream, wait_until},
};

/// Fewer events where the server is not optimised.
const SCALE: usize = if cfg!(debug_assertions) { 10 } else { 1 };
const PUBLISHERS: usize = 64;
/// What a thousand streams may take beside what they hold when idle: a fraction of what would pile up
/// if each had a queue.
const MAX_GROWTH: u64 = 100 << 20;

/// Publishes on a connection of its own, as fast as it is answered; returns the ids.
fn publish_on(server: &Server, events: usize, topic: &str, data: &str) -> Vec<String> {
    let mut socket = server.connect();
    let (host, length) = (server.address, data.len());
    let request = format!(
        "POST /events?topic={topic} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{data}"
    );
    let publish = |_| {
        socket.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        let mut space = [0; 1_024];
        while !response.ends_with("}\n") {
            let read = socket.read(&mut space).expect("a response");
            assert!(read > 0, "{response}");
            response += std::str::from_utf8(&space[..read]).unwrap();
        }
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
        let (_, id) = response.split_once(r#"{"id":""#).expect("an id");
        id.trim_end_matches("\"}\n").to_owned()
    };
    (0..events).map(publish).collect()
}

/// The same from all publishers at once; in the order of ids.
fn publish_fast(server: &Server, events: usize, topic: &str, data: &str) -> Vec<String> {
    let publish = || publish_on(server, events / PUBLISHERS, topic, data);
    let mut ids: Vec<_> = thread::scope(|scope| {
        let publishers: Vec<_> = (0..PUBLISHERS).map(|_| scope.spawn(publish)).collect();
        publishers
            .into_iter()
            .flat_map(|publisher| publisher.join().unwrap())
            .collect()
    });
    ids.sort_by_key(|id| key(id));
    ids
}

/// Milliseconds and sequence number: the order of ids.
fn key(id: &str) -> (u64, u64) {
    let (ms, sequence) = id.split_once('-').expect("an id");
    (ms.parse().expect("an id"), sequence.parse().expect("an id"))
}

/// Everybody has got exactly these events, in this order.
fn assert_delivered(crowd: &Crowd, published: &[String]) {
    crowd.wait_for(published.last().expect("something was published"));
    assert!(
        crowd.ids() == published,
        "all that was answered came once and in order"
    );
}

/// Looks at a figure while `work` is done; returns the largest.
fn watch<T>(figure: impl Fn() -> u64 + Sync, work: impl FnOnce() -> T) -> (T, u64) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut most = figure();
            while !done.load(Ordering::SeqCst) {
                most = most.max(figure());
                thread::sleep(Duration::from_millis(10));
            }
            most.max(figure())
        });
        let result = work();
        done.store(true, Ordering::SeqCst);
        (result, watching.join().unwrap())
    })
}

fn nobody_has_left(server: &Server) {
    for reason in ["stalled", "gone", "drained", "refused", "grant_ended"] {
        assert_eq!(server.ended(reason), 0, "{reason}");
    }
}

#[test]
fn publishers_at_full_speed_cause_no_losses() {
    let server = Server::start(&["--ping-interval", "1h"]);
    let crowd = Crowd::open(server.address, "/events?topic=a", room_for(1_000));
    let before = server.resident() as u64;
    let (published, most) = watch(
        || server.resident() as u64,
        || {
            let published = publish_fast(&server, 20_000 / SCALE, "a", &"x".repeat(40));
            assert_delivered(&crowd, &published);
            published
        },
    );
    assert_eq!(
        server.metric("published_events_total"),
        published.len() as u64
    );
    assert!(most < before + MAX_GROWTH, "{} MiB", (most - before) >> 20);
    nobody_has_left(&server);
    assert_eq!(
        (server.metric("gaps_total"), server.metric("lag_events")),
        (0, 0)
    );
}

#[test]
fn with_a_small_window_publishers_wait_and_lost_events_are_announced_by_a_gap() {
    const WINDOW: u64 = 64;
    let server = Server::start(&[
        "--ping-interval",
        "1h",
        "--history-events",
        &WINDOW.to_string(),
    ]);
    let streams: Vec<_> = (0..room_for(200))
        .map(|_| server.subscribe("/events?topic=a"))
        .collect();
    wait_until("all are there", || {
        server.metric("subscribers") == streams.len() as u64
    });
    let first = streams[0].header("event-head").unwrap().to_owned();
    // Whether each message is a gap, and its id.
    let read = |mut stream: Stream| {
        let mut messages = Vec::new();
        loop {
            let message = stream.next().expect("nobody is cut");
            assert!(
                ["", "connected", "gap"].contains(&message.name.as_str()),
                "{message:?}"
            );
            messages.push((message.name == "gap", message.id));
            if message.data == "end" {
                return (stream, messages);
            }
        }
    };
    let (published, seen, most) = thread::scope(|scope| {
        let readers: Vec<_> = streams
            .into_iter()
            .map(|stream| scope.spawn(move || read(stream)))
            .collect();
        let publish = || publish_fast(&server, 6_400 / SCALE, "a", "x");
        let (mut published, most) = watch(|| server.metric("lag_events"), publish);
        published.push(server.publish("a", "end"));
        let seen: Vec<_> = readers
            .into_iter()
            .map(|reader| reader.join().unwrap())
            .collect();
        (published, seen, most)
    });
    assert!(most <= WINDOW / 2, "{most} events were not walked");
    nobody_has_left(&server);
    for (_stream, messages) in seen {
        let mut expected = std::iter::once(&first).chain(&published).peekable();
        for (is_gap, id) in messages {
            // A gap is the only way to skip, and never to what was seen before.
            let mut skipped = 0;
            while expected.next_if(|next| **next != id).is_some() {
                skipped += 1;
            }
            assert!(
                expected.next().is_some(),
                "{id} was not published, or came before"
            );
            assert!(
                is_gap || skipped == 0,
                "{skipped} events are missing before {id}"
            );
        }
    }
}

#[test]
fn a_large_batch_is_delivered_in_pieces() {
    // Copied whole for each, these would be far more than what is allowed here.
    const SUBSCRIBERS: usize = 200;
    const EVENTS: usize = 96;
    const MAX_GROWTH: u64 = 150 << 20;
    let server = Server::start(&["--ping-interval", "1h"]);
    let crowd = Crowd::open(server.address, "/events?topic=a", room_for(SUBSCRIBERS));
    let before = server.resident() as u64;
    let (published, most) = watch(
        || server.resident() as u64,
        || {
            let data = "x".repeat(64 << 10);
            let published = server.publish_all("a", (0..EVENTS).map(|_| data.clone()));
            assert_delivered(&crowd, &published);
            published
        },
    );
    assert_eq!(published.len(), EVENTS);
    assert!(most < before + MAX_GROWTH, "{} MiB", (most - before) >> 20);
}

#[test]
fn five_thousand_subscribers_get_every_event_in_order() {
    let server = Server::start(&["--ping-interval", "1h"]);
    let crowd = Crowd::open(server.address, "/events?topic=a", room_for(5_000));
    let published: Vec<_> = (0..20)
        .map(|number| server.publish("a", &number.to_string()))
        .collect();
    assert_delivered(&crowd, &published);
    nobody_has_left(&server);
}
