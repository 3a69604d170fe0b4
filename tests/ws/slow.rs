//! Clients that do not read, or read slowly.

use std::{thread, time::Duration};

use crate::{
    support::socket::{End, Socket},
    support::{Server, wait_until},
};

/// For one that reads slowly, of 8 KiB each.
const EVENTS: usize = 300;
const NARROW: usize = 4 << 10;

fn open_narrow(server: &Server, path: &str) -> Socket {
    let connection = server.connect_narrow(NARROW);
    Socket::try_open(connection, path, "localhost", &[])
        .unwrap_or_else(|response| panic!("{response:?}"))
}

fn publish_numbered(server: &Server, topic: &str, numbers: std::ops::Range<usize>) {
    let numbers: Vec<_> = numbers.collect();
    for part in numbers.chunks(8) {
        server.publish_all(topic, part.iter().map(|n| format!("{n:<8192}")));
    }
}

#[test]
fn a_slow_websocket_reader_loses_nothing_and_is_never_cut() {
    let settings = ["--stall-timeout", "1s", "--socket-buffer-bytes", "16384"];
    let server = Server::start(&[&settings[..], &["--ping-interval", "100ms"]].concat());
    let mut slow = open_narrow(&server, "/ws?topic=b");
    slow.until("connected");
    thread::scope(|scope| {
        scope.spawn(|| publish_numbered(&server, "b", 0..EVENTS));
        for n in 0..EVENTS {
            assert_eq!(slow.data(1)[0].trim_end(), n.to_string());
            thread::sleep(Duration::from_millis(5));
        }
    });
    assert_eq!(server.ended("stalled"), 0);
}

#[test]
fn a_client_that_does_not_read_delays_no_other_and_gets_everything_once_it_reads() {
    let settings = ["--stall-timeout", "10m", "--socket-buffer-bytes", "16384"];
    let server = Server::start(&settings);
    let mut stuck = open_narrow(&server, "/ws?topic=b");
    stuck.until("connected");
    let mut healthy = Socket::open(&server, "/ws?topic=a");
    healthy.until("connected");
    publish_numbered(&server, "b", 0..EVENTS);
    wait_until("it is stuck", || server.metric("subscribers_behind") == 1);
    for n in 0..20 {
        server.publish("a", &n.to_string());
        assert_eq!(healthy.data(1), [n.to_string()]);
    }
    for n in 0..EVENTS {
        assert_eq!(stuck.data(1)[0].trim_end(), n.to_string());
    }
}

#[test]
fn a_websocket_that_reads_nothing_for_the_stall_timeout_is_cut() {
    let settings = [
        "--stall-timeout",
        "1s",
        "--socket-buffer-bytes",
        "16384",
        "--ping-interval",
        "1h",
    ];
    let server = Server::start(&settings);
    let mut stuck = open_narrow(&server, "/ws?topic=b");
    stuck.until("connected");
    let mut published = 0;
    while server.metric("subscribers") == 1 {
        publish_numbered(&server, "b", published..published + 8);
        published += 8;
    }
    assert_eq!((server.ended("stalled"), server.ended("gone")), (1, 0));
    assert_eq!(stuck.end(), End::Cut);
}

#[test]
fn many_clients_that_do_not_read_share_one_copy_of_a_large_event() {
    const STUCK: usize = 40;
    const MAX_GROWTH: usize = 24 << 20;
    let settings = ["--stall-timeout", "10m", "--socket-buffer-bytes", "16384"];
    let server = Server::start(&settings);
    let stuck: Vec<_> = (0..STUCK)
        .map(|_| open_narrow(&server, "/ws?topic=b"))
        .collect();
    wait_until("all are there", || {
        server.metric("subscribers") == STUCK as u64
    });
    let before = server.resident();
    server.publish("b", &"x".repeat(1 << 20));
    let mut reader = Socket::open(&server, "/ws?topic=b&last=1");
    assert_eq!(reader.data(1)[0].len(), 1 << 20);
    let growth = server.resident().saturating_sub(before);
    assert!(growth < MAX_GROWTH, "{} MiB", growth >> 20);
    drop(stuck);
}

#[test]
fn a_client_that_has_not_read_up_to_the_pings_is_not_closed_for_missing_pongs() {
    const BYTES: usize = 96 << 10;
    let server = Server::start(&["--ping-interval", "30ms"]);
    let mut slow = open_narrow(&server, "/ws?topic=b");
    slow.until("connected");
    let mut healthy = Socket::open(&server, "/ws?topic=a");
    healthy.until("connected");
    server.publish("b", &"~".repeat(BYTES));
    // Far more of them than may be left unanswered.
    healthy.wait_for_pings(20);
    assert_eq!(slow.data(1)[0].len(), BYTES);
    assert_eq!((server.ended("gone"), server.ended("stalled")), (0, 0));
}
