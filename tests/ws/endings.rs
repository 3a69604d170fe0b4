//! How sockets end: by a drain, or because a client sends no pong.

use std::{collections::HashSet, io::Read as _};

use serde_json::{Value, json};

use crate::{
    support::socket::{End, Socket},
    support::{BLOCKED_DRAIN, Server, wait_until},
};

const RESTART: u16 = 1012;
const POLICY: u16 = 1008;

/// When a close says to come back, in milliseconds.
fn retry(end: &End) -> u64 {
    let End::Close(RESTART, reason) = end else {
        panic!("{end:?} is no restart");
    };
    let reason: Value = serde_json::from_str(reason).expect("JSON");
    reason["retry"].as_u64().expect("when to come back")
}

#[test]
fn a_drain_sends_due_events_and_then_a_retry() {
    const SOCKETS: usize = 100;
    const EVENTS: usize = 50;
    let mut server = Server::start(&["--drain-time", "20s"]);
    let mut sockets: Vec<_> = (0..SOCKETS)
        .map(|_| Socket::open(&server, "/ws?topic=a"))
        .collect();
    let expected: Vec<_> = (0..EVENTS).map(|number| number.to_string()).collect();
    wait_until("all are there", || {
        server.metric("subscribers") == SOCKETS as u64
    });
    for data in &expected {
        server.publish("a", data);
    }
    server.signal("-TERM");
    let mut retries = HashSet::new();
    for socket in &mut sockets {
        assert_eq!(
            socket.data(EVENTS),
            expected,
            "what was answered is delivered"
        );
        let end = socket.end();
        let retry = retry(&end);
        assert!((500..1_500).contains(&retry), "{retry}");
        retries.insert(retry);
        assert!(socket.is_gone());
    }
    assert!(
        retries.len() > SOCKETS / 2,
        "{} of them differ",
        retries.len()
    );
    assert!(server.wait().success());
}

#[test]
fn a_drain_does_not_wait_long_for_a_client_that_does_not_close() {
    let mut server = Server::start(&["--drain-time", "10m"]);
    let mut socket = Socket::open(&server, "/ws");
    socket.until("connected");
    server.signal("-INT");
    // Its own close is never sent: nothing is read as a WebSocket here.
    let mut rest = Vec::new();
    let _ = socket.connection().read_to_end(&mut rest);
    assert!(rest.starts_with(&[0x88]), "{rest:?}");
    assert!(server.wait().success());
}

#[test]
fn during_a_drain_nothing_is_published_and_no_socket_is_opened() {
    let server = Server::start(&BLOCKED_DRAIN);
    let narrow = server.connect_narrow(4 << 10);
    let _stuck = Socket::try_open(narrow, "/ws", "localhost", &[]).unwrap_or_else(|_| panic!());
    server.begin_blocked_drain();
    let opened = Socket::try_open(server.connect(), "/ws", "localhost", &[]);
    let response = opened.err().expect("a refusal");
    assert_eq!(
        (response.status, response.code().as_str()),
        (503, "draining")
    );
}

#[test]
fn a_quiet_socket_is_pinged_and_kept_while_it_sends_pongs() {
    let server = Server::start(&["--ping-interval", "30ms"]);
    let mut socket = Socket::open(&server, "/ws?topic=a");
    socket.until("connected");
    // Far more of them than may be left unanswered.
    socket.wait_for_pings(20);
    server.publish("a", "x");
    assert_eq!(socket.data(1), ["x"]);
    let response = socket.publish(&json!({ "topic": "b", "data": "x" }));
    assert_eq!(response["type"], "published");
}

#[test]
fn a_client_that_sends_no_pong_is_closed() {
    let server = Server::start(&["--ping-interval", "30ms"]);
    let mut socket = Socket::open(&server, "/ws?topic=a");
    socket.until("connected");
    // What is not read as a WebSocket is not answered either.
    let mut rest = Vec::new();
    socket.connection().read_to_end(&mut rest).unwrap();
    let pings = [0x89, 0].repeat(6);
    assert_eq!(rest[..pings.len()], pings);
    let close = &rest[pings.len()..];
    assert_eq!((close[0], &close[2..4]), (0x88, &POLICY.to_be_bytes()[..]));
    wait_until("it is gone", || server.metric("subscribers") == 0);
}

#[test]
fn a_killed_server_cuts_its_sockets() {
    let mut server = Server::start(&[]);
    let mut socket = Socket::open(&server, "/ws");
    socket.until("connected");
    server.signal("-KILL");
    server.wait();
    assert_eq!(socket.end(), End::Cut);
}
