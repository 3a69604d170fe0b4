//! Memory that requests hold until their responses are there.

use super::{
    raw::{
        END_HEADERS, END_STREAM, HEADERS, LAST_INDEXED, REFUSED_STREAM, RST_STREAM, Raw, frame,
        indexed, post,
    },
    start,
};
use crate::support::Server;

/// Most requests of a connection at a time.
const REQUESTS: u32 = 256;
/// How much memory all of them may take.
const MEMORY: usize = 60 << 20;

/// Begins requests whose bodies do not come. Each has a head of 15 KiB, in 50 bytes.
fn open_requests(raw: &mut Raw) {
    for number in 0..REQUESTS {
        let mut head = post("/events");
        if number == 0 {
            head.extend(indexed(3_800));
        } else {
            head.extend([LAST_INDEXED; 4]);
        }
        raw.send(&frame(HEADERS, END_HEADERS, 2 * number + 1, &head))
            .unwrap();
    }
}

#[test]
fn heads_of_open_requests_that_hpack_compresses_take_bounded_memory_and_others_are_served() {
    let server = start(&["--allow-anonymous-publish", "--workers", "1"]);
    let before = server.resident();
    let connections: Vec<Raw> = (0..24)
        .map(|_| {
            let mut raw = Raw::open(&server);
            open_requests(&mut raw);
            assert_eq!(raw.until(RST_STREAM).code(), REFUSED_STREAM);
            raw
        })
        .collect();
    assert_served(&server);
    let grown = server.resident().saturating_sub(before);
    assert!(grown < MEMORY, "{grown} bytes");
    drop(connections);
}

/// A request of another connection.
fn assert_served(server: &Server) {
    let mut other = Raw::open(server);
    let request = super::raw::get("/health/live");
    let flags = END_HEADERS | END_STREAM;
    other.send(&frame(HEADERS, flags, 1, &request)).unwrap();
    assert_eq!(other.until(HEADERS).content[0], 0x88, "status 200");
}

#[test]
fn heads_count_no_longer_once_their_requests_have_responses() {
    let server = start(&["--allow-anonymous-publish"]);
    let mut raw = Raw::open(&server);
    for number in 0..2 * REQUESTS {
        let mut head = super::raw::get("/health/live");
        match number {
            0 => head.extend(indexed(3_800)),
            _ => head.extend([LAST_INDEXED; 4]),
        }
        let flags = END_HEADERS | END_STREAM;
        raw.send(&frame(HEADERS, flags, 2 * number + 1, &head))
            .unwrap();
        assert_eq!(raw.until(HEADERS).content[0], 0x88, "status 200");
    }
}
