//! A stream on the direct path equals one through actix, byte for byte.

use std::{
    io::{Read as _, Write as _},
    time::Duration,
};

use crate::support::{
    Server, Stream, has_encrypted_streams as is_encrypted, has_http2, has_ordinary_streams,
    wait_until,
};

const HOST: &str = "Host: localhost\r\n";
const ORIGIN: &str = "Origin: https://app.example\r\n";

fn head(first: &str, lines: &[&str]) -> String {
    format!("{first}\r\n{}\r\n", lines.concat())
}

/// What gets a stream that no dispatcher has buffers for.
fn streams() -> Vec<String> {
    let long = "x".repeat(9_000);
    let mut streams: Vec<_> = [
        ("/events HTTP/1.1", ""),
        ("/events/ HTTP/1.1", ""),
        ("/events HTTP/1.0", "Connection: keep-alive\r\n"),
        ("/events HTTP/1.1", "Connection: close\r\n"),
        ("/events HTTP/1.1", "Connection: keep-alive\r\n"),
        ("/events?topic=a&topic=b&format=json HTTP/1.1", ""),
        ("/events?since=earliest&until=head HTTP/1.1", ORIGIN),
        ("/events/?last=3 HTTP/1.1", "Accept: text/event-stream\r\n"),
        ("/events HTTP/1.1", "Origin: https://other.example\r\n"),
        ("/events?lastEventId=2-2 HTTP/1.1", "last-event-id: 1-1\r\n"),
        (
            "/events?topic=%2A&datastar=%7B%7D HTTP/1.1",
            "Last-Event-ID: x\r\n",
        ),
        ("/events HTTP/1.1", &format!("X-Long: {long}\r\n")),
    ]
    .iter()
    .map(|(target, line)| head(&format!("GET {target}"), &[HOST, line]))
    .collect();
    streams.push(head("GET /events HTTP/1.0", &[]));
    streams.push(head("GET /events HTTP/1.1", &[HOST]) + "and more behind it");
    streams
}

/// What is left to actix, streams among it.
fn others() -> Vec<String> {
    let long = "x".repeat(40_000);
    let mut others: Vec<_> = [
        ("GET http://localhost/events HTTP/1.1", ""),
        ("GET /events HTTP/1.1", &format!("X-Long: {long}\r\n")),
        ("HEAD /events HTTP/1.1", ""),
        ("GET /events?format=xml HTTP/1.1", ORIGIN),
        ("GET /events?topic=a%7Bb HTTP/1.1", ""),
        ("GET /events HTTP/2.0", ""),
        ("GET /eventsource HTTP/1.1", ""),
        ("GET /events/hello%20there HTTP/1.1", ""),
        ("GET /health/live HTTP/1.1", ""),
    ]
    .iter()
    .map(|(first, line)| head(first, &[HOST, line]))
    .collect();
    others.push(head("GET /events?since=yesterday HTTP/1.0", &[]));
    others.push(head("GET /events HTTP/1.1", &[]));
    others.push(head("GET /events HTTP/1.1", &[HOST, "Content-Length: 2\r\n"]) + "ab");
    let chunked = "Transfer-Encoding: chunked\r\n";
    others.push(head("GET /events HTTP/1.1", &[HOST, chunked]) + "0\r\n\r\n");
    others
}

pub fn start_both(settings: &[&str]) -> [Server; 2] {
    let ordinary = [settings, &["--no-direct"]].concat();
    [Server::start(settings), Server::start(&ordinary)]
}

fn shown(request: &str) -> &str {
    &request[..request.len().min(200)]
}

/// Everything up to where a stream rests, or else for as long as the server has something to say.
fn response(server: &Server, request: &str) -> String {
    let mut socket = server.connect();
    socket.write_all(request.as_bytes()).unwrap();
    let (mut response, mut part) = (String::new(), [0; 4096]);
    let rest = Duration::from_millis(300);
    while !response.contains("event: connected") {
        if response.contains("\r\n\r\n") {
            socket.set_read_timeout(Some(rest)).unwrap();
        }
        match socket.read(&mut part) {
            Ok(read @ 1..) => response.push_str(&String::from_utf8_lossy(&part[..read])),
            _ => break,
        }
    }
    response
}

/// Without what differs from one server or moment to another: ids, the date, a stream's reconnection
/// time, and the order of headers.
pub fn comparable(response: &str) -> (Vec<String>, String) {
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or((response, ""));
    let is_id = |word: &str| {
        word.split_once('-').is_some_and(|(ms, sequence)| {
            ms.len() == 13
                && (ms.to_owned() + sequence)
                    .bytes()
                    .all(|b| b.is_ascii_digit())
        })
    };
    let without_ids = |text: &str| {
        let words = text.split_inclusive([' ', '\n', '\r', '"']);
        let hidden = |word: &str| {
            if is_id(word.trim_end_matches([' ', '\n', '\r', '"'])) {
                "ID "
            } else {
                ""
            }
        };
        words
            .map(|word| match hidden(word) {
                "" => word.to_owned(),
                id => id.to_owned(),
            })
            .collect::<String>()
    };
    let mut lines: Vec<_> = head
        .lines()
        .filter(|line| !line.starts_with("date: "))
        .map(without_ids)
        .collect();
    lines[1..].sort();
    // A size in hexadecimal is of ids too, whose sequence begins anywhere.
    let is_size = |line: &&str| !line.ends_with('\r') || line.len() > 5;
    let body = body
        .split('\n')
        .filter(is_size)
        .map(|line| line.split_once("retry: ").map_or(line, |_| "retry: SPREAD"))
        .collect::<Vec<_>>()
        .join("\n");
    (lines, without_ids(&body))
}

#[test]
fn both_connection_paths_give_the_same_responses() {
    let settings = ["--cors-origin", "https://app.example"];
    let servers = start_both(&settings);
    for request in streams().iter().chain(&others()) {
        let [direct, ordinary] = servers.each_ref().map(|server| response(server, request));
        assert_eq!(
            comparable(&direct),
            comparable(&ordinary),
            "{}",
            shown(request)
        );
    }
}

#[test]
fn both_connection_paths_reject_subscribers_over_the_limit_alike() {
    let servers = start_both(&["--max-subscribers", "1"]);
    let mut first = servers.each_ref().map(|server| server.subscribe("/events"));
    for stream in &mut first {
        stream.until("connected");
    }
    for accept in ["", "Accept: text/event-stream\r\n"] {
        let request = head("GET /events HTTP/1.1", &[HOST, accept]);
        let answers = servers.each_ref().map(|server| response(server, &request));
        let [direct, ordinary] = answers.each_ref().map(|response| comparable(response));
        assert_eq!(direct.0, ordinary.0, "{accept}");
        assert_eq!(direct.1.contains("retry: "), ordinary.1.contains("retry: "));
    }
    assert_eq!(servers.map(|server| server.ended("refused")), [2, 2]);
}

#[test]
fn a_stream_uses_the_direct_path_unless_that_is_turned_off() {
    for (server, is_direct) in start_both(&[]).iter().zip([true, false]) {
        let is_direct = is_direct && !has_ordinary_streams();
        let check = |request: &str, is_direct: bool| {
            let mut socket = server.connect();
            socket.write_all(request.as_bytes()).unwrap();
            let _ = socket.read(&mut [0; 100]);
            let direct = server.metric("direct_subscribers");
            assert_eq!(direct, u64::from(is_direct), "{}", shown(request));
            drop(socket);
            wait_until("it is gone", || server.metric("subscribers") == 0);
        };
        for request in streams() {
            check(&request, is_direct);
        }
        for request in others() {
            check(&request, false);
        }
    }
}

#[test]
fn an_idle_subscriber_takes_little_memory() {
    if has_http2() {
        // One stream to a connection: docs/http2.md has what that takes.
        return;
    }
    const SUBSCRIBERS: usize = 2_000;
    /// In bytes, on sockets of the server's own, and through actix.
    const MOST_EACH: [usize; 2] = [2 << 10, 20 << 10];
    const SESSION: usize = 4 << 10;
    for (server, most) in start_both(&[]).iter().zip(MOST_EACH) {
        let _warm = open(server, 100);
        let before = server.resident();
        let streams = open(server, SUBSCRIBERS);
        let each = (server.resident() - before) / streams.len();
        let most = most + if is_encrypted() { SESSION } else { 0 };
        let is_direct = server.metric("direct_subscribers") > 0;
        assert!(
            each < if is_direct {
                most
            } else {
                MOST_EACH[1] + SESSION
            },
            "{each}"
        );
    }
}

fn open(server: &Server, count: usize) -> Vec<Stream> {
    let mut streams: Vec<_> = (0..count).map(|_| server.subscribe("/events")).collect();
    for stream in &mut streams {
        stream.until("connected");
    }
    streams
}
