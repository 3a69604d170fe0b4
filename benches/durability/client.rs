//! A client that costs as little as possible, so that the server is measured.

use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net,
};

pub const DATA_BYTES: usize = 100;

pub fn request(path: &str, kind: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The request of one event.
pub fn event_request() -> String {
    request("/events", "text/plain", &"x".repeat(DATA_BYTES))
}

/// One thread for all the clients.
pub fn runtime() -> tokio::runtime::Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().expect("a runtime")
}

/// Publishes one event after the other on one connection; returns how long each publish took.
pub async fn publish(address: SocketAddr, request: String, until: Instant) -> Vec<Duration> {
    let mut socket = net::TcpStream::connect(address).await.expect("connected");
    socket.set_nodelay(true).expect("no delay");
    let mut response = [0; 4096];
    let mut took = Vec::new();
    while Instant::now() < until {
        let begun = Instant::now();
        socket.write_all(request.as_bytes()).await.expect("written");
        // The response is far smaller than a segment.
        let read = socket.read(&mut response).await.expect("a response");
        assert!(response[..read].starts_with(b"HTTP/1.1 20"), "rejected");
        took.push(begun.elapsed());
    }
    took
}

/// Publishes this number of events as lines, in a thousand topics.
pub fn fill(address: SocketAddr, events: usize) {
    const PART: usize = 10_000;
    let mut socket = TcpStream::connect(address).expect("connected");
    for first in (0..events).step_by(PART) {
        let mut lines = String::new();
        for n in first..events.min(first + PART) {
            let topic = n % 1_000;
            let data = format!("{n:0>DATA_BYTES$}");
            writeln!(lines, r#"{{"topic":"t{topic}","data":"{data}"}}"#).expect("text");
        }
        post(
            &mut socket,
            &request("/events", "application/x-ndjson", &lines),
        );
    }
}

/// Publishes one event to a topic.
pub fn publish_to(address: SocketAddr, topic: &str, data: &str) {
    let mut socket = TcpStream::connect(address).expect("connected");
    let path = format!("/events?topic={topic}");
    post(&mut socket, &request(&path, "text/plain", data));
}

pub fn post(socket: &mut TcpStream, request: &str) {
    socket.write_all(request.as_bytes()).expect("written");
    let mut response = [0; 4096];
    let read = socket.read(&mut response).expect("a response");
    assert!(response[..read].starts_with(b"HTTP/1.1 20"), "rejected");
}

/// Reads a response until so many events have ended; returns its bytes.
pub fn read_events(socket: &mut TcpStream, end: &[u8], events: usize) -> usize {
    let (mut buffer, mut bytes, mut ended) = (vec![0; 1 << 20], 0, 0);
    let mut last = 0;
    while ended < events {
        let read = socket.read(&mut buffer).expect("read");
        assert!(read > 0, "the stream has ended");
        let in_two = end.len() > 1 && [last, buffer[0]] == *end;
        ended += usize::from(in_two) + memchr::memmem::find_iter(&buffer[..read], end).count();
        bytes += read;
        last = buffer[read - 1];
    }
    bytes
}

/// A stream of events, read without being parsed.
pub struct Reader {
    pub socket: TcpStream,
    buffer: Vec<u8>,
}

impl Reader {
    pub fn open(address: SocketAddr, query: &str, last_id: &str) -> Self {
        let mut socket = TcpStream::connect(address).expect("connected");
        let head = format!(
            "GET /events?{query} HTTP/1.0\r\nHost: localhost\r\nLast-Event-ID: {last_id}\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).expect("written");
        Self {
            socket,
            buffer: vec![0; 1 << 20],
        }
    }

    /// The next bytes that arrive.
    pub fn read(&mut self) -> &[u8] {
        let read = self.socket.read(&mut self.buffer).expect("read");
        assert!(read > 0, "the stream has ended");
        &self.buffer[..read]
    }

    /// Reads until the text is complete.
    pub fn until(&mut self, is_complete: impl Fn(&str) -> bool) -> String {
        let mut text = String::new();
        while !is_complete(&text) {
            text.push_str(&String::from_utf8_lossy(self.read()));
        }
        text
    }
}

/// The ids of the first events that match the query.
pub fn ids(address: SocketAddr, query: &str, count: usize) -> Vec<String> {
    let text = Reader::open(address, query, "").until(|text| event_ids(text).count() >= count);
    event_ids(&text).take(count).map(str::to_owned).collect()
}

/// The ids of all complete blocks whose data is that of an event, which begins with a 0.
fn event_ids(text: &str) -> impl Iterator<Item = &str> {
    let (complete, _) = text.rsplit_once("\n\n").unwrap_or_default();
    let is_event = |block: &&str| block.lines().any(|line| line.starts_with("data: 0"));
    let events = complete.split("\n\n").filter(is_event);
    events.filter_map(|block| block.lines().find_map(|line| line.strip_prefix("id: ")))
}
