//! Requests, and the events that publishes become.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use memchr::memmem;

use super::Chunk;

/// Finds the header as the publishers of this benchmark write it.
pub(super) fn content_length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"Content-Length: ";
    let at = memmem::find(head, NAME).map_or(head.len(), |at| at + NAME.len());
    let digits = head[at..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'))
}

/// The path and query of the request, as a number.
pub(super) fn topic(request: &[u8]) -> u64 {
    let line = request.split(|byte| *byte == b'\r').next();
    let path = line.and_then(|line| line.split(|byte| *byte == b' ').nth(1));
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

#[derive(Clone)]
pub(super) struct Event {
    pub(super) topic: u64,
    pub(super) chunk: Chunk,
}

impl Event {
    /// The event of a request whose body is at `body`, with an id as long as ours.
    pub(super) fn new(request: &[u8], body: Range<usize>) -> (String, Self) {
        static NEXT: AtomicU64 = AtomicU64::new(1_000_000_000);
        let id = format!("1763712000000-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let data = &request[body];
        let event = [b"data: ", data, b"\nid: ", id.as_bytes(), b"\n\n"].concat();
        let size = format!("{:X}\r\n", event.len());
        let event = Self {
            topic: topic(request),
            chunk: [size.as_bytes(), &event, b"\r\n"].concat().into(),
        };
        (id, event)
    }
}

pub(super) fn publish_response(id: &str) -> Chunk {
    let body = format!(r#"{{"id":"{id}"}}"#);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json";
    let response = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    response.into_bytes().into()
}
