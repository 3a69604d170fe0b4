//! Publishers on persistent connections: one that waits for each response, and many on one thread.

use std::{
    io::Read as _,
    net::{SocketAddr, TcpStream},
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant},
};

use memchr::memmem;
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
};
use rustls::ClientConfig;

use crate::link::Link;

pub const DATA_BYTES: usize = 100;
/// How long a response may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The request of a small event, as most rows use it.
pub fn small(topic: &str) -> String {
    request(topic, "text/plain", &"x".repeat(DATA_BYTES))
}

pub fn request(topic: &str, kind: &str, body: &str) -> String {
    request_with(topic, &format!("Content-Type: {kind}\r\n"), body)
}

/// `query` begins with the topic.
pub fn request_with(query: &str, headers: &str, body: &str) -> String {
    format!(
        "POST /events?topic={query} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub struct Publisher {
    link: Link,
    response: Vec<u8>,
    sent: Instant,
}

impl Publisher {
    pub fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, None)
    }

    /// Encrypted with these settings, if any.
    pub fn connect_with(address: SocketAddr, tls: Option<&Arc<ClientConfig>>) -> Self {
        let socket = TcpStream::connect_timeout(&address, PATIENCE).expect("connected");
        socket.set_nodelay(true).expect("no delay");
        for set in [TcpStream::set_read_timeout, TcpStream::set_write_timeout] {
            set(&socket, Some(PATIENCE)).expect("a bound");
        }
        Self {
            link: Link::new(socket, tls),
            response: Vec::new(),
            sent: Instant::now(),
        }
    }

    /// Sends the request and returns the response.
    pub fn publish(&mut self, request: &str) -> String {
        self.send(request);
        while !self.read_response() {}
        let response = String::from_utf8_lossy(&self.response).into_owned();
        self.response.clear();
        response
    }

    fn send(&mut self, request: &str) {
        self.sent = Instant::now();
        self.link.send(request.as_bytes()).expect("sent");
    }

    /// Reads once; whether the response is complete.
    fn read_response(&mut self) -> bool {
        let mut space = [0; 4096];
        let read = self.link.read(&mut space).expect("a response in time");
        assert!(read > 0, "the server has closed a publisher's connection");
        self.response.extend_from_slice(&space[..read]);
        let is_good = self.response.starts_with(b"HTTP/1.1 20");
        assert!(is_good, "{}", String::from_utf8_lossy(&self.response));
        is_whole(&self.response)
    }
}

fn is_whole(response: &[u8]) -> bool {
    let Some(end) = memmem::find(response, b"\r\n\r\n") else {
        return false;
    };
    let head = response[..end].to_ascii_lowercase();
    let length = memmem::find(&head, b"content-length: ").map_or(0, |at| {
        let digits = head[at + 16..].iter().take_while(|b| b.is_ascii_digit());
        digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'))
    });
    response.len() >= end + 4 + length
}

/// What several publishers have published.
pub struct Load {
    pub published: u64,
    pub took: Duration,
    responses: Vec<Duration>,
}

impl Load {
    pub fn median_response(mut self) -> Duration {
        self.responses.sort_unstable();
        self.responses[self.responses.len() / 2]
    }
}

/// Publishes from several connections at once, each of which publishes again as soon as it has a response.
pub fn load(address: SocketAddr, publishers: usize, request: &str, lasting: Duration) -> Load {
    let epoll: OwnedFd = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
    let mut all: Vec<_> = (0..publishers)
        .map(|_| Publisher::connect(address))
        .collect();
    for (number, publisher) in all.iter().enumerate() {
        let token = epoll::EventData::new_u64(number as u64);
        epoll::add(&epoll, &publisher.link, token, epoll::EventFlags::IN).expect("added");
    }
    let begun = Instant::now();
    for publisher in &mut all {
        publisher.send(request);
    }
    let (mut responses, mut waiting) = (Vec::new(), publishers);
    let mut events = Vec::with_capacity(publishers);
    let wait = Timespec::try_from(PATIENCE).expect("a short time");
    while waiting > 0 {
        let ready = epoll::wait(&epoll, spare_capacity(&mut events), Some(&wait));
        assert_ne!(ready, Ok(0), "{waiting} publishes got no response");
        for event in events.drain(..) {
            let publisher = &mut all[usize::try_from(event.data.u64()).expect("a number")];
            if !publisher.read_response() {
                continue;
            }
            publisher.response.clear();
            responses.push(publisher.sent.elapsed());
            if begun.elapsed() < lasting {
                publisher.send(request);
            } else {
                waiting -= 1;
            }
        }
    }
    Load {
        published: responses.len() as u64,
        took: begun.elapsed(),
        responses,
    }
}
