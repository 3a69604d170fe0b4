//! Subscribers that do not read, or read slowly.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use crate::{
    load::subscribers::{Crowd, room_for},
    support::{Server, Stream, wait_until},
};

const SUBSCRIBE_TO_ALL: &[u8] = b"GET /events?topic=* HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// For one that reads slowly, of 8 KiB each.
const EVENTS: usize = 500;
/// What a stuck subscriber's kernel takes for it.
const NARROW: usize = 4 << 10;
/// A server on which little fits between history and a reader.
const LITTLE: [&str; 8] = [
    "--ping-interval",
    "1h",
    "--socket-buffer-bytes",
    "16384",
    "--max-event-bytes",
    "65536",
    "--history-bytes",
    "8388608",
];

/// Publishes so many events of so many bytes, whose data begins with a number and a space.
fn publish_numbered(server: &Server, topic: &str, numbers: std::ops::Range<usize>, bytes: usize) {
    let numbers: Vec<_> = numbers.collect();
    for part in numbers.chunks(8) {
        server.publish_all(topic, part.iter().map(|n| format!("{n:<bytes$}")));
    }
}

#[test]
fn one_subscriber_that_never_reads_costs_the_others_and_the_server_nothing() {
    const MAX_GROWTH: usize = 48 << 20;
    let server = Server::start(&[&LITTLE[..], &["--stall-timeout", "10m"]].concat());
    let crowd = Crowd::open(server.address, "/events?topic=a", room_for(999));
    let mut stuck = server.connect_narrow(NARROW);
    stuck.write_all(SUBSCRIBE_TO_ALL).unwrap();
    let before = server.resident();
    let mut ids = Vec::new();
    let mut publish = || {
        publish_numbered(&server, "b", 0..32, 8 << 10);
        ids.push(server.publish("a", "x"));
        crowd.wait_for(&ids[ids.len() - 1]);
    };
    while server.metric("subscribers_behind") == 0 {
        publish();
    }
    // Far more than history holds, and all of it for the one that does not read.
    (0..160).for_each(|_| publish());
    assert_eq!(crowd.ids(), ids);
    assert_eq!(
        server.metric("subscribers_behind"),
        1,
        "it is stuck to the last"
    );
    let growth = server.resident().saturating_sub(before);
    assert!(growth < MAX_GROWTH, "{} MiB", growth >> 20);
}

#[test]
fn a_subscriber_that_reads_nothing_for_the_stall_timeout_is_cut() {
    let server = Server::start(&[&LITTLE[..], &["--stall-timeout", "1s"]].concat());
    let mut healthy = server.subscribe("/events?topic=*");
    healthy.until("connected");
    let mut stuck = server.connect_narrow(NARROW);
    stuck.write_all(SUBSCRIBE_TO_ALL).unwrap();
    wait_until("it is a subscriber", || server.metric("subscribers") == 2);
    let mut published = 0;
    while server.metric("subscribers") == 2 {
        publish_numbered(&server, "b", published..published + 8, 8 << 10);
        published += 8;
        assert_eq!(healthy.data(8).len(), 8);
    }
    assert_eq!((server.ended("stalled"), server.ended("gone")), (1, 0));
    let mut rest = Vec::new();
    let closed = stuck.read_to_end(&mut rest);
    assert!(
        closed.is_err() || !rest.ends_with(b"0\r\n\r\n"),
        "a cut, not an end"
    );
    server.publish("a", "on");
    assert_eq!(healthy.data(1), ["on"]);
}

/// Reads an event, and a little later the next one, up to the one with the data "end": whether each
/// message is a gap, and the number that its data begins with.
fn read_slowly(server: &Server) -> Vec<(bool, usize)> {
    const LATER: Duration = Duration::from_millis(5);
    let mut socket = server.connect_narrow(32 << 10);
    socket
        .write_all(b"GET /events?topic=b HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut stream = Stream::open(socket);
    stream.until("connected");
    thread::scope(|scope| {
        // Faster than it reads, and far more than fits on the way to it.
        scope.spawn(|| {
            publish_numbered(server, "b", 0..EVENTS, 8 << 10);
            server.publish("b", "end");
        });
        let mut seen = Vec::new();
        loop {
            let message = stream.next().expect("it is never cut");
            match message
                .data
                .split(' ')
                .next()
                .and_then(|number| number.parse().ok())
            {
                Some(number) => seen.push((false, number)),
                None if message.data == "end" => return seen,
                None => {
                    assert_eq!(message.name, "gap");
                    seen.push((true, 0));
                }
            }
            thread::sleep(LATER);
        }
    })
}

#[test]
fn a_slow_but_steady_reader_gets_everything_and_is_never_cut() {
    let server = Server::start(&["--stall-timeout", "1s", "--socket-buffer-bytes", "16384"]);
    let seen = read_slowly(&server);
    assert!(
        seen.into_iter()
            .eq((0..EVENTS).map(|number| (false, number)))
    );
    assert_eq!(server.ended("stalled"), 0);
}

#[test]
fn a_reader_that_needs_longer_than_the_stall_timeout_for_one_event_is_not_cut() {
    const BYTES: usize = 1 << 20;
    let server = Server::start(&["--stall-timeout", "1s", "--socket-buffer-bytes", "16384"]);
    let mut slow = server.connect_narrow(NARROW);
    slow.write_all(SUBSCRIBE_TO_ALL).unwrap();
    wait_until("it is a subscriber", || server.metric("subscribers") == 1);
    server.publish("b", &"~".repeat(BYTES));
    let (mut read, mut part) = (0, vec![0; BYTES / 64]);
    while read < BYTES {
        let got = slow.read(&mut part).expect("it is never cut");
        assert!(got > 0, "cut after {read}");
        read += String::from_utf8_lossy(&part[..got]).matches('~').count();
        // So that all of it takes several times as long as a socket may take nothing.
        thread::sleep(Duration::from_millis(60 * got as u64 / part.len() as u64));
    }
    assert_eq!(server.ended("stalled"), 0);
}

#[test]
fn a_reader_with_acknowledgements_further_apart_than_the_stall_timeout_is_not_cut() {
    const BYTES: usize = 1 << 20;
    const PAUSE: Duration = Duration::from_millis(2_500);
    let server = Server::start(&["--stall-timeout", "1s", "--socket-buffer-bytes", "16384"]);
    let mut slow = server.connect_narrow(NARROW);
    slow.write_all(SUBSCRIBE_TO_ALL).unwrap();
    wait_until("it is a subscriber", || server.metric("subscribers") == 1);
    server.publish("b", &"~".repeat(BYTES));
    let (mut read, mut part) = (0, vec![0; BYTES / 64]);
    for _ in 0..3 {
        thread::sleep(PAUSE);
        let got = slow.read(&mut part).expect("it is never cut");
        read += String::from_utf8_lossy(&part[..got]).matches('~').count();
    }
    while read < BYTES {
        let got = slow.read(&mut part).expect("it is never cut");
        assert!(got > 0, "cut after {read}");
        read += String::from_utf8_lossy(&part[..got]).matches('~').count();
    }
    assert_eq!(server.ended("stalled"), 0);
}

/// A request on a connection that has carried another before, which actix serves.
fn subscribe_behind_another_request(socket: &mut TcpStream) {
    let health = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    socket.write_all(health).unwrap();
    assert!(socket.read(&mut [0; 4 << 10]).unwrap() > 0);
    socket.write_all(SUBSCRIBE_TO_ALL).unwrap();
}

/// Reads an event of so many bytes on both paths, a step and then a pause.
fn assert_reads_in_steps(server: &Server, bytes: usize, step: usize, pause: Duration) {
    let mut direct = server.connect_narrow(NARROW);
    direct.write_all(SUBSCRIBE_TO_ALL).unwrap();
    let mut wide = server.connect();
    wide.write_all(SUBSCRIBE_TO_ALL).unwrap();
    let mut behind = server.connect_narrow(NARROW);
    subscribe_behind_another_request(&mut behind);
    wait_until("they are subscribers", || server.metric("subscribers") == 3);
    server.publish("b", &"~".repeat(bytes));
    thread::scope(|scope| {
        for (mut socket, which) in [(direct, "direct"), (wide, "wide"), (behind, "behind")] {
            scope.spawn(move || {
                let (mut read, mut part) = (0, vec![0; step]);
                while read < bytes {
                    thread::sleep(pause);
                    let mut left = step;
                    while left > 0 && read < bytes {
                        let got = socket.read(&mut part[..left]);
                        let got =
                            got.unwrap_or_else(|error| panic!("{which} after {read}: {error}"));
                        assert!(got > 0, "{which} was cut after {read}");
                        left -= got;
                        read += String::from_utf8_lossy(&part[..got]).matches('~').count();
                    }
                }
            });
        }
    });
    assert_eq!(server.ended("stalled"), 0);
}

#[test]
fn a_steady_reader_whose_window_is_small_is_not_cut_by_the_kernel_after_several_stall_periods() {
    let server = Server::start(&["--stall-timeout", "750ms", "--socket-buffer-bytes", "16384"]);
    assert_reads_in_steps(&server, 512 << 10, 8 << 10, Duration::from_millis(100));
}

#[test]
fn a_slow_reader_of_an_event_that_the_kernels_buffers_hold_whole_is_not_cut() {
    let server = Server::start(&["--stall-timeout", "1s"]);
    assert_reads_in_steps(&server, 192 << 10, 48 << 10, Duration::from_millis(2_500));
}

#[test]
fn a_reader_that_stops_within_an_event_in_the_kernels_buffers_is_cut() {
    let server = Server::start(&["--stall-timeout", "250ms"]);
    let mut stuck = server.connect_narrow(NARROW);
    stuck.write_all(SUBSCRIBE_TO_ALL).unwrap();
    let mut behind = server.connect_narrow(NARROW);
    subscribe_behind_another_request(&mut behind);
    wait_until("they are subscribers", || server.metric("subscribers") == 2);
    server.publish("b", &"~".repeat(96 << 10));
    wait_until("they are cut", || server.ended("stalled") == 2);
}

#[test]
fn a_reader_slower_than_retention_is_sent_a_gap() {
    let server = Server::start(
        &[
            &LITTLE[..],
            &["--stall-timeout", "1s", "--history-events", "64"],
        ]
        .concat(),
    );
    let seen = read_slowly(&server);
    let gaps = seen.iter().filter(|(is_gap, _)| *is_gap).count();
    assert!(gaps > 0);
    for pair in seen.windows(2) {
        match *pair {
            [(false, before), (false, after)] => assert_eq!(after, before + 1, "not a word"),
            [(true, _), (is_gap, _)] => assert!(!is_gap, "two gaps at once"),
            _ => {}
        }
    }
    let numbers: Vec<_> = seen
        .iter()
        .filter(|(is_gap, _)| !is_gap)
        .map(|(_, n)| *n)
        .collect();
    assert!(
        numbers.is_sorted() && numbers.last() == Some(&(EVENTS - 1)),
        "all that history held"
    );
    assert_eq!(
        (server.metric("gaps_total"), server.ended("stalled")),
        (gaps as u64, 0)
    );
}
