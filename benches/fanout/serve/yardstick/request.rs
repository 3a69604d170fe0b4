//! What a request says, and what a publish becomes.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use memchr::memmem;

use super::Chunk;

/// The name is as this benchmark's own publishers write it.
pub(super) fn content_length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"Content-Length: ";
    let at = memmem::find(head, NAME).map_or(head.len(), |at| at + NAME.len());
    let digits = head[at..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'))
}

/// The request's query, as a number.
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
    /// Of a request and where its body is; and an id as long as ours are.
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

pub(super) fn answer_to_publish(id: &str) -> Chunk {
    let body = format!(r#"{{"id":"{id}"}}"#);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json";
    let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    answer.into_bytes().into()
}
