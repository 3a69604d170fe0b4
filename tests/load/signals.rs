//! The memory that changes of signals take, in every format.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
};

use crate::support::Server;

const BYTES: usize = 8 << 20;
/// What the process takes for requests and streams meanwhile.
const BESIDE_BYTES: usize = 4 << 20;
const FORMATS: [&str; 3] = ["patch", "event", "datastar"];

/// Reads the stream to its end, and keeps nothing of it.
fn read_on(server: &Server, path: &str) -> thread::JoinHandle<()> {
    let stream = server.subscribe(path);
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    thread::spawn(move || {
        let mut socket = stream.socket();
        let mut part = vec![0; 1 << 16];
        while socket.read(&mut part).is_ok_and(|read| read > 0) {}
    })
}

/// Changes the document on one connection.
fn patch(socket: &mut TcpStream, merge: &str) {
    let head = "PATCH /signals/a HTTP/1.1\r\nHost: localhost\r\n\
                Content-Type: application/merge-patch+json\r\nContent-Length";
    let request = format!("{head}: {}\r\n\r\n{merge}", merge.len());
    socket.write_all(request.as_bytes()).unwrap();
    let (mut response, mut part) = (Vec::new(), [0; 4 << 10]);
    while response.last() != Some(&b'}') {
        let read = socket.read(&mut part).unwrap();
        assert!(read > 0, "the connection stays");
        response.extend_from_slice(&part[..read]);
    }
    assert!(response.starts_with(b"HTTP/1.1 2"));
}

/// Until history has been full for some time.
fn assert_bounded(what: &str, value: impl Fn(usize) -> String) {
    let server = Server::start(&[
        "--history-bytes",
        &BYTES.to_string(),
        "--history-events",
        "10000000",
        "--max-event-bytes",
        "65536",
        "--workers",
        "1",
    ]);
    let document = server.request(
        "PUT /signals/a HTTP/1.1\nContent-Type: application/json",
        br#"{"n":"0"}"#,
    );
    assert_eq!(document.status, 201, "{document:?}");
    let readers = FORMATS.map(|format| {
        let path = format!("/signals?name=a&format={format}");
        read_on(&server, &path)
    });
    let before = server.resident();
    let mut socket = server.connect();
    let (mut number, mut held) = (0, 0);
    loop {
        for _ in 0..500 {
            number += 1;
            patch(&mut socket, &format!(r#"{{"n":{}}}"#, value(number)));
        }
        let full = std::mem::replace(&mut held, server.metric("history_events"));
        if held <= full {
            break;
        }
    }
    let taken = server.resident().saturating_sub(before);
    println!("{what}: {} KiB, {held} events of {number}", taken >> 10);
    assert!(
        taken <= BYTES / 4 * 5 + BESIDE_BYTES,
        "{what}: {taken} bytes"
    );
    drop(server);
    for reader in readers {
        reader.join().unwrap();
    }
}

#[test]
fn history_takes_no_more_memory_than_its_setting_with_small_changes_of_signals_in_every_format() {
    assert_bounded("small changes", |n| n.to_string());
}

#[test]
fn history_takes_no_more_memory_than_its_setting_with_large_changes_of_signals_in_every_format() {
    assert_bounded("text", |n| format!(r#""{n}{}""#, "x".repeat(4_000)));
    assert_bounded("escapes", |n| {
        format!(r#""{n}{}""#, r"\u0001".repeat(1_000))
    });
}
