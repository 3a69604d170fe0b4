//! Clients that pipeline requests and read no response.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use crate::support::{Response, Server};

/// What the kernels of both sides take of what is not read.
const NARROW: usize = 4 << 10;

/// A client that sends all these requests, and does not read.
fn pipe(server: &Server, requests: &[u8]) -> TcpStream {
    let mut socket = server.connect_narrow(NARROW);
    socket.write_all(requests).unwrap();
    socket
}

#[test]
fn unread_pipelined_requests_pin_one_response_a_connection() {
    const CONNECTIONS: usize = 60;
    const REQUESTS: usize = 480;
    const MAX_PER_CONNECTION: usize = 192 << 10;
    let large = format!("\"{}\"", "x".repeat(240_000));
    for (method, path) in [
        ("GET", "/metrics"),
        ("GET", "/page.js"),
        ("GET", "/nothing/here"),
        ("HEAD", "/metrics"),
        ("OPTIONS", "/events"),
        ("GET", "/signals/large"),
        ("GET", "/events?topic={"),
    ] {
        let server = Server::start(&["--socket-buffer-bytes", "4096"]);
        let head = "PUT /signals/large HTTP/1.1\nContent-Type: application/json";
        assert_eq!(server.request(head, large.as_bytes()).status, 201);
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let requests = request.repeat(REQUESTS);
        let before = server.resident();
        let stuck: Vec<_> = (0..CONNECTIONS)
            .map(|_| pipe(&server, requests.as_bytes()))
            .collect();
        // Served behind them, on every worker.
        (0..64).for_each(|_| assert_eq!(server.get("/health/live").status, 200));
        let growth = server.resident().saturating_sub(before) / stuck.len();
        assert!(
            growth < MAX_PER_CONNECTION,
            "{method} {path}: {} KiB a connection",
            growth >> 10
        );
    }
}

#[test]
fn pipelined_requests_with_bodies_get_responses_in_order_also_when_the_client_reads_late() {
    const EACH: usize = 300;
    let server = Server::start(&["--socket-buffer-bytes", "4096"]);
    let requests: Vec<_> = (0..EACH)
        .map(|n| {
            let head = "POST /events?topic=a HTTP/1.1\r\nHost: 127.0.0.1\r\n";
            let data = format!("{n}\r\n\r\n{n}");
            let length = data.len();
            let whole = format!("{head}Content-Length: {length}\r\n\r\n{data}");
            let chunked = format!(
                "{head}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{data}\r\n0\r\n\r\n"
            );
            let lost = format!("GET /lost-{n} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            [whole, chunked, lost].concat()
        })
        .collect();
    let mut socket = pipe(&server, requests.concat().as_bytes());
    socket
        .write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answers = String::new();
    socket.read_to_string(&mut answers).unwrap();
    let statuses: Vec<_> = answers
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| &answers[at + 9..at + 12])
        .collect();
    let mut expected = ["200", "200", "404"].repeat(EACH);
    expected.push("200");
    assert_eq!(statuses, expected);
    assert_eq!(server.metric("published_events_total"), 2 * EACH as u64);
}

#[test]
fn a_large_document_comes_whole_to_a_client_that_reads_it() {
    let server = Server::start(&[]);
    let document = format!("\"{}\"", "é".repeat(120_000));
    let head = "PUT /signals/large HTTP/1.1\nContent-Type: application/json";
    let written: Response = server.request(head, document.as_bytes());
    assert_eq!((written.status, written.text()), (201, document.clone()));
    let read = server.get("/signals/large");
    assert_eq!((read.status, read.text()), (200, document));
}
