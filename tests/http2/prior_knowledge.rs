use std::io::{Read as _, Write as _};

use super::{
    raw::{
        DATA, END_HEADERS, END_STREAM, HEADERS, MAX_CONCURRENT_STREAMS, PREFACE, Raw, SETTINGS,
        frame, get,
    },
    start,
};
use crate::support::Server;

#[test]
fn the_preface_may_arrive_in_pieces_and_is_responded_to_with_the_limit_of_streams() {
    let server = start(&["--http2-max-streams", "17"]);
    for size in [1, 2, 5, 23] {
        let mut raw = Raw(server.connect());
        for piece in PREFACE.chunks(size) {
            raw.send(piece).unwrap();
            // Each piece should be read by itself.
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let settings = raw.until(SETTINGS);
        assert_eq!(settings.setting(MAX_CONCURRENT_STREAMS), Some(17));
        raw.send(&frame(SETTINGS, 0, 0, b"")).unwrap();
        let request = frame(HEADERS, END_HEADERS | END_STREAM, 1, &get("/health/live"));
        raw.send(&request).unwrap();
        assert_eq!(raw.until(HEADERS).content[0], 0x88, "status 200");
        assert!(raw.until(DATA).content.starts_with(b"{"));
    }
}

#[test]
fn the_same_address_still_serves_http_1() {
    let server = start(&[]);
    assert_eq!(
        server
            .send(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .status,
        200
    );
    server.publish("default", "a");
    let mut socket = server.connect();
    for piece in [
        "P",
        "O",
        "ST /events?topic=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx",
    ] {
        socket.write_all(piece.as_bytes()).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let mut begin = [0; 15];
    socket.read_exact(&mut begin).unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200 OK");
}

#[test]
fn without_the_setting_the_preface_is_refused_as_a_request() {
    let server = Server::start(&["--no-direct"]);
    assert_eq!(server.send(PREFACE).status, 400);
}

#[test]
fn a_connection_that_sends_a_part_of_the_preface_alone_is_refused_in_time() {
    let server = start(&[]);
    assert_eq!(server.send(&PREFACE[..10]).status, 408);
}
