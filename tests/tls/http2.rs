//! HTTP/2 over TLS, by raw frames.

use std::{
    io::{Read as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use super::{Client, connect, connect_as, https, request};
use crate::{
    http2::raw::{DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, frame, post},
    support::{PATIENCE, Server, tunnel::Identity},
};

/// A connection that has agreed on HTTP/2, after its preface and settings.
fn open(server: &Server) -> Client {
    let mut config = Identity::get().config().as_ref().clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut client = connect_as(server, &Arc::new(config), "localhost");
    client.write_all(PREFACE).unwrap();
    client.write_all(&frame(SETTINGS, 0, 0, b"")).unwrap();
    client
}

#[test]
fn a_request_with_close_notify_behind_it_is_served_over_http_2() {
    let server = https(&[]);
    let mut client = open(&server);
    let head = frame(HEADERS, END_HEADERS, 1, &post("/events?topic=a"));
    let body = frame(DATA, END_STREAM, 1, b"x");
    client.write_all(&[head, body].concat()).unwrap();
    client.conn.send_close_notify();
    client.flush().unwrap();
    let mut received = Vec::new();
    client.read_to_end(&mut received).expect("it ends in order");
    // HEADERS of the stream 1, which begins with the status 200.
    let is_begin =
        |bytes: &[u8]| bytes[..6] == [HEADERS, END_HEADERS, 0, 0, 0, 1] && bytes[6] == 0x88;
    assert!(received.windows(7).any(is_begin), "{received:?}");
}

#[test]
fn others_are_served_while_connections_over_tls_flood_the_same_worker() {
    let server = https(&["--workers", "1"]);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let unknown = frame(0xf7, 0, 0, &[0; 100]).repeat(100);
                for _ in 0..200 {
                    let mut client = open(&server);
                    while client.write_all(&unknown).is_ok() {}
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                }
            });
        }
        let begun = Instant::now();
        let is_served =
            |_| request(connect(&server), "GET /health/live HTTP/1.1", "").contains(" 200 ");
        let all_are_served = (0..20).all(is_served);
        is_over.store(true, Ordering::SeqCst);
        assert!(all_are_served && begun.elapsed() < PATIENCE);
    });
}
