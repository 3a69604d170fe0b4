//! Clients that end their side of the connection behind a request.

use std::net::Shutdown;

use super::{
    raw::{DATA, END_HEADERS, END_STREAM, HEADERS, Raw, frame, get, post},
    start,
};
use crate::support::{Server, wait_until};

/// Sends these frames and the end of the input at once; returns the first bytes of the heads of all responses.
fn exchange(server: &Server, frames: &[u8]) -> Vec<u8> {
    let mut raw = Raw::open(server);
    raw.send(frames).unwrap();
    raw.0.shutdown(Shutdown::Write).unwrap();
    let mut heads = Vec::new();
    while let Ok(frame) = raw.next() {
        if frame.kind == HEADERS {
            heads.push(frame.content[0]);
        }
    }
    heads
}

#[test]
fn requests_that_are_complete_at_the_end_of_the_input_are_served_and_the_connection_is_closed() {
    let server = start(&["--allow-anonymous-publish"]);
    let publish = |stream: u32| {
        let head = frame(HEADERS, END_HEADERS, stream, &post("/events?topic=a"));
        [head, frame(DATA, END_STREAM, stream, b"x")].concat()
    };
    assert_eq!(exchange(&server, &publish(1)), [0x88]);
    let before = server.metric("published_events_total");
    // More than begin in one turn.
    let many: Vec<u8> = (0..100)
        .flat_map(|number| publish(2 * number + 1))
        .collect();
    assert_eq!(exchange(&server, &many).len(), 100);
    assert_eq!(server.metric("published_events_total"), before + 100);
    let flags = END_HEADERS | END_STREAM;
    let page = frame(HEADERS, flags, 1, &get("/"));
    assert_eq!(exchange(&server, &page), [0x88]);
}

#[test]
fn an_incomplete_request_and_a_stream_end_with_the_input() {
    let server = start(&["--allow-anonymous-publish"]);
    let flags = END_HEADERS | END_STREAM;
    let stream = frame(HEADERS, flags, 1, &get("/events"));
    exchange(&server, &stream);
    wait_until("the stream has ended", || server.metric("subscribers") == 0);
    let head = frame(HEADERS, END_HEADERS, 1, &post("/events?topic=a"));
    exchange(&server, &[head, frame(DATA, 0, 1, b"x")].concat());
    assert_eq!(server.metric("published_events_total"), 0);
    exchange(&server, b"");
}
