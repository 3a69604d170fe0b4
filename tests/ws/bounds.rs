//! The largest messages, and the memory of a socket.

use std::{
    io::{ErrorKind, Write as _},
    time::Duration,
};

use serde_json::json;

use crate::{
    support::socket::{End, Socket},
    support::{Response, Server, wait_until},
};

fn refused(server: &Server) -> Response {
    let opened = Socket::try_open(server.connect(), "/ws", "localhost", &[]);
    opened.err().expect("a refusal")
}

#[test]
fn at_the_limit_of_subscribers_a_handshake_is_rejected_before_it_becomes_a_socket() {
    for setting in ["--max-subscribers", "--max-subscribers-per-address"] {
        let server = Server::start(&[setting, "2"]);
        let mut stream = server.subscribe("/events");
        stream.until("connected");
        let mut socket = Socket::open(&server, "/ws");
        socket.until("connected");
        let response = refused(&server);
        assert_eq!(
            (response.status, response.code().as_str()),
            (503, "too_many_subscribers"),
            "{setting}"
        );
        assert!(response.header("retry-after").is_some());
        assert_eq!(server.ended("refused"), 1);
        drop(socket);
        wait_until("its place is free", || server.metric("subscribers") == 1);
        let mut socket = Socket::open(&server, "/ws");
        socket.until("connected");
    }
}

#[test]
fn a_message_may_be_as_long_as_a_post_and_no_longer() {
    let settings = ["--max-event-bytes", "1000", "--history-bytes", "1048576"];
    let server = Server::start(&settings);
    let post = server.post("/events", "application/json", &" ".repeat(2 << 20));
    let detail = post.json()["detail"].as_str().unwrap().to_owned();
    let max: usize = detail
        .split(' ')
        .find_map(|word| word.parse().ok())
        .expect("the bound");
    let padded = |length: usize| {
        let event = json!({ "data": "x" }).to_string();
        " ".repeat(length - event.len()) + &event
    };
    let mut socket = Socket::open(&server, "/ws?topic=none");
    socket.until("connected");
    socket.say(padded(max));
    assert_eq!(socket.next()["type"], "published");
    socket.say(padded(max + 1));
    let End::Close(code, reason) = socket.end() else {
        panic!("no close");
    };
    assert_eq!(code, 1009);
    assert!(reason.contains(&max.to_string()), "{reason}");
}

#[test]
fn a_message_in_parts_has_the_same_bound() {
    let settings = ["--max-event-bytes", "1000", "--history-bytes", "1048576"];
    let server = Server::start(&settings);
    let mut socket = Socket::open(&server, "/ws?topic=none");
    socket.until("connected");
    let part = |first: u8| [&[first, 0xFE, 0x40, 0x00, 0, 0, 0, 0][..], &[b' '; 0x4000]].concat();
    socket.send_raw(&part(0x01));
    for _ in 0..100 {
        socket.send_raw(&part(0x00));
    }
    assert_eq!(socket.end().code(), Some(1009));
}

#[test]
fn a_message_of_a_client_that_may_not_publish_is_not_read_whole() {
    let server = Server::start(&["--no-publish"]);
    let mut socket = Socket::open(&server, "/ws");
    socket.until("connected");
    let event = |bytes: usize| json!({ "data": "x".repeat(bytes) });
    assert_eq!(
        socket.publish(&event(60_000))["code"],
        "publishing_disabled"
    );
    socket.say(event(70_000).to_string());
    assert_eq!(socket.end().code(), Some(1009));
}

#[test]
fn a_client_that_sends_and_does_not_read_takes_little_memory_and_delays_no_other() {
    const MAX_GROWTH: usize = 24 << 20;
    let server = Server::start(&["--socket-buffer-bytes", "16384", "--stall-timeout", "10m"]);
    let mut healthy = Socket::open(&server, "/ws?topic=a");
    healthy.until("connected");
    let before = server.resident();
    let mut greedy = Socket::open(&server, "/ws?topic=none");
    greedy.until("connected");
    // Refusals are longer than these, so that the way back is full first.
    let message = [&[0x81, 0x82, 0, 0, 0, 0][..], b"[]"]
        .concat()
        .repeat(1_000);
    let connection = greedy.connection();
    let long = Some(Duration::from_secs(1));
    connection.set_write_timeout(long).unwrap();
    let full = std::iter::repeat_with(|| connection.write_all(&message)).find_map(Result::err);
    let kind = full.expect("it is full some time").kind();
    assert_eq!(kind, ErrorKind::WouldBlock, "nothing more is taken of it");
    for n in 0..20 {
        server.publish("a", &n.to_string());
        assert_eq!(healthy.data(1), [n.to_string()]);
    }
    let growth = server.resident().saturating_sub(before);
    assert!(growth < MAX_GROWTH, "{} MiB", growth >> 20);
}
