//! Replays of a log that is far longer than the window in memory.

use std::io::{Read, Write};

use crate::{
    disk::log::{Feed, Log, publish_lines},
    support::{Server, Stream, wait_until},
};

const EVENTS: usize = 6_000;
const BYTES: usize = 4 << 10;
/// Memory holds little, and a stream may be given what is past as fast as it takes it.
const LITTLE: [&str; 12] = [
    "--window-events",
    "500",
    "--window-bytes",
    "8388608",
    "--max-event-bytes",
    "65536",
    "--replay-bytes-per-second",
    "0",
    "--socket-buffer-bytes",
    "16384",
    "--sync",
    "never",
];

fn publish(server: &Server, numbers: std::ops::Range<usize>) {
    let numbers: Vec<_> = numbers.collect();
    for part in numbers.chunks(500) {
        let data = part.iter().map(|number| format!("{number:<BYTES$}"));
        publish_lines(server, "/events", data);
    }
}

fn number(data: &str) -> usize {
    data.trim().parse().unwrap()
}

#[test]
fn slow_readers_of_a_long_log_cost_a_chunk_each_and_hold_up_nobody() {
    const READERS: usize = 20;
    // Each has two chunks and its buffers, about 1 MiB. The engine and the allocator keep some of what is published
    // meanwhile: the faster the machine, the more that is. All that the readers ask for would be 500 MiB.
    const MAX_GROWTH: usize = 120 << 20;
    let log = Log::new();
    publish(&log.start(&LITTLE), 0..EVENTS);
    let args = [
        &LITTLE[..],
        &["--stall-timeout", "2s", "--history-events", "5000"],
    ]
    .concat();
    let server = log.start(&args);
    let before = server.resident();
    let mut readers: Vec<_> = (0..READERS)
        .map(|_| {
            let mut socket = server.connect_narrow(4 << 10);
            let request = "GET /events?topic=*&since=earliest HTTP/1.1\r\nHost: localhost\r\n\r\n";
            socket.write_all(request.as_bytes()).unwrap();
            // So much that it is among its events.
            socket.read_exact(&mut [0; 2 * BYTES]).unwrap();
            socket
        })
        .collect();
    publish(&server, EVENTS..EVENTS + 20);
    wait_until("all are behind", || {
        server.metric("subscribers_behind") == READERS as u64
    });
    // Retention goes on under them, commits too, and whoever is live gets it all.
    let mut live = server.subscribe("/events?topic=*");
    live.until("connected");
    let began = std::time::Instant::now();
    let mut published = EVENTS + 20;
    let mut part = vec![0; BYTES];
    // So long that those that read nothing would have been cut.
    while began.elapsed() < std::time::Duration::from_secs(4) {
        publish(&server, published..published + 20);
        for data in live.data(20) {
            assert_eq!(number(&data), published);
            published += 1;
        }
        for reader in &mut readers {
            reader.read_exact(&mut part).expect("it is not cut");
        }
    }
    wait_until("retention has come along", || {
        server.metric("history_events") <= 5_000
    });
    let grown = server.resident().saturating_sub(before);
    assert!(grown < MAX_GROWTH, "{} MiB", grown >> 20);
    assert_eq!(server.ended("stalled"), 0);
    assert_eq!(server.metric("subscribers"), READERS as u64 + 1);
}

#[test]
fn a_slow_reader_gets_all_of_a_long_log_chunk_by_chunk() {
    let log = Log::new();
    let server = log.start(&LITTLE);
    publish(&server, 0..EVENTS);
    let mut slow = server.connect_narrow(4 << 10);
    slow.write_all(b"GET /events?topic=*&since=earliest HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut slow = Stream::open(slow);
    // So much that it is among its events.
    assert_eq!(number(&slow.event().unwrap().data), 0);
    publish(&server, EVENTS..EVENTS + 100);
    wait_until("it is behind", || server.metric("subscribers_behind") == 1);
    for expected in 1..EVENTS + 100 {
        let message = slow.event().unwrap();
        assert_eq!(number(&message.data), expected);
    }
    wait_until("it is live", || server.metric("subscribers_behind") == 0);
    publish(&server, EVENTS + 100..EVENTS + 101);
    assert_eq!(number(&slow.event().unwrap().data), EVENTS + 100);
}

#[test]
fn a_replay_of_one_topic_out_of_many_events_is_whole() {
    let log = Log::new();
    let server = log.start(&["--window-events", "50"]);
    let mut expected = Vec::new();
    for round in 0..20 {
        publish(&server, round * 50..(round + 1) * 50);
        expected.push(server.publish("rare", &round.to_string()));
    }
    let is_whole = |server: &Server| {
        let mut feed = Feed::open(server.address, "topic=rare&since=earliest", "").unwrap();
        let mut seen = Vec::new();
        while seen.len() < expected.len() {
            let (name, _, _) = feed.next().unwrap();
            assert_ne!(name, "gap");
            if name.is_empty() {
                seen.push(feed.last_id.clone());
            }
        }
        assert_eq!(seen, expected);
        let mut feed = Feed::open(server.address, "topic=rare&last=3&until=head", "").unwrap();
        assert_eq!(feed.next().unwrap().0, "connected");
        assert_eq!(feed.next().unwrap().2, "17");
    };
    is_whole(&server);
    drop(server);
    is_whole(&log.start(&["--window-events", "50"]));
}
