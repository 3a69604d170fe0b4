//! SIGTERM, SIGINT, and the time until the process has ended.

use std::{
    collections::HashSet,
    io::Write,
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::support::{BLOCKED_DRAIN, End, Server, wait_until};

/// Longer than any test may take.
const FOREVER: &str = "10m";

/// A server that drains until it is stopped, because a client with an open stream does not read.
fn draining() -> (Server, TcpStream) {
    let server = Server::start(&BLOCKED_DRAIN);
    let mut stuck = server.connect_narrow(4 << 10);
    stuck
        .write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    wait_until("it is a subscriber", || server.metric("subscribers") == 1);
    server.begin_blocked_drain();
    (server, stuck)
}

#[test]
fn a_drain_sends_every_client_a_retry_and_cuts_it() {
    const STREAMS: usize = 500;
    const EVENTS: usize = 50;
    const DRAIN_TIME: Duration = Duration::from_secs(20);
    let mut server = Server::start(&["--drain-time", "20s"]);
    let mut streams: Vec<_> = (0..STREAMS)
        .map(|_| server.subscribe("/events?topic=a"))
        .collect();
    wait_until("all are there", || {
        server.metric("subscribers") == STREAMS as u64
    });
    let expected: Vec<_> = (0..EVENTS).map(|number| number.to_string()).collect();
    for data in &expected {
        server.publish("a", data);
    }
    let began = Instant::now();
    server.signal("-TERM");
    assert!(server.wait().success());
    let took = began.elapsed();
    let mut retries = HashSet::new();
    for stream in &mut streams {
        assert_eq!(
            stream.data(EVENTS),
            expected,
            "what was answered is delivered"
        );
        assert_eq!(stream.drain_to_farewell(), [], "and nothing else");
        assert_eq!(stream.end, Some(End::Cut));
        let retry = stream.retry.unwrap();
        assert!((500..5_500).contains(&retry), "{retry}");
        retries.insert(retry);
    }
    // As random numbers below 5,000 go, some 24 of 500 are drawn before.
    assert!(
        retries.len() > STREAMS * 4 / 5,
        "{} of {STREAMS} differ",
        retries.len()
    );
    assert!(took < DRAIN_TIME, "{took:?}");
}

#[test]
fn a_drain_ends_once_all_streams_have_ended() {
    for signal in ["-TERM", "-INT"] {
        let mut server = Server::start(&["--drain-time", FOREVER]);
        let mut stream = server.subscribe("/events");
        stream.until("connected");
        server.signal(signal);
        assert_eq!(stream.drain_to_farewell(), []);
        assert_eq!(stream.end, Some(End::Cut), "{signal}");
        assert!(server.wait().success(), "{signal}");
    }
}

#[test]
fn an_interrupt_drains_at_once_whatever_the_delay() {
    let mut server = Server::start(&["--drain-delay", FOREVER]);
    let mut stream = server.subscribe("/events");
    stream.until("connected");
    server.signal("-INT");
    assert_eq!(stream.drain_to_farewell(), []);
    assert!(server.wait().success());
}

#[test]
fn before_a_delayed_drain_everything_works_but_readiness() {
    let mut server = Server::start(&["--drain-delay", FOREVER]);
    let mut before = server.subscribe("/events?topic=a");
    before.until("connected");
    assert_eq!(server.get("/health/ready").status, 200);
    server.signal("-TERM");
    wait_until("it is not ready", || {
        server.get("/health/ready").status == 503
    });
    assert_eq!(server.get("/health/live").status, 200);
    let mut after = server.subscribe("/events?topic=a");
    after.until("connected");
    server.publish("a", "x");
    assert_eq!(
        (before.data(1), after.data(1)),
        (vec!["x".into()], vec!["x".into()])
    );
    // A second signal does not wait for the delay.
    server.signal("-TERM");
    assert!(server.wait().success());
    assert_eq!((before.drain(), after.drain()), (vec![], vec![]));
    assert_eq!((before.end, after.end), (Some(End::Cut), Some(End::Cut)));
}

#[test]
fn a_drain_delay_postpones_the_drain() {
    let mut server = Server::start(&["--drain-delay", "300ms", "--drain-time", "1s"]);
    let mut stream = server.subscribe("/events");
    stream.until("connected");
    server.signal("-TERM");
    assert_eq!(stream.drain_to_farewell(), []);
    assert_eq!(stream.end, Some(End::Cut));
    let retry = stream.retry.unwrap();
    assert!(retry < 1_000, "one alone comes back at once: {retry}");
    assert!(server.wait().success());
}

#[test]
fn a_drain_rejects_new_streams_and_a_second_signal_stops_the_server() {
    let (mut server, stuck) = draining();
    assert_eq!(server.get("/health/ready").status, 503);
    let mut stream = server.subscribe_with("/events", "Accept: text/event-stream");
    assert_eq!(stream.drain_to_farewell(), []);
    assert_eq!(stream.end, Some(End::Cut));
    let retry = stream.retry.expect("when to come back");
    assert!((2_000..10_000).contains(&retry), "{retry}");
    let refused = server.get("/events");
    assert_eq!((refused.status, refused.code().as_str()), (503, "draining"));
    let refused = server.post("/events", "text/plain", "x");
    assert_eq!((refused.status, refused.code().as_str()), (503, "draining"));
    server.signal("-TERM");
    assert!(server.wait().success());
    drop(stuck);
}

#[test]
fn a_stream_that_does_not_read_delays_a_drain_up_to_the_drain_time() {
    let args = [
        "--drain-time",
        "1s",
        "--stall-timeout",
        FOREVER,
        "--socket-buffer-bytes",
        "4096",
    ];
    let mut server = Server::start(&args);
    let mut stuck = server.connect_narrow(4 << 10);
    stuck
        .write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let data = "x".repeat(200 << 10);
    while server.metric("subscribers_behind") == 0 {
        server.publish("default", &data);
    }
    let mut healthy = server.subscribe("/events");
    healthy.until("connected");
    server.signal("-TERM");
    assert_eq!(healthy.drain_to_farewell(), []);
    assert!(server.wait().success());
}
