//! A client of an event stream: every block as the WHATWG's parser dispatches it.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    net::TcpStream,
    time::Instant,
};

use flate2::write;
use sse_broadcaster::event::RESERVED_NAMES;

use super::{
    PATIENCE,
    response::{header_in, read_chunk, read_head},
};

/// A message of a stream, as the WHATWG's parser dispatches it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    pub name: String,
    pub data: String,
    /// The last event id as of this message.
    pub id: String,
    /// The `retry` of its own block, in milliseconds.
    pub retry: Option<u64>,
}

/// How a stream ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// With the last chunk, after which some clients do not reconnect.
    Clean,
    Cut,
}

/// An open `text/event-stream`.
pub struct Stream {
    reader: BufReader<TcpStream>,
    pub head: String,
    chunked: bool,
    rest: String,
    bytes: Vec<u8>,
    /// Decodes a compressed stream.
    decoder: Option<write::GzDecoder<Vec<u8>>>,
    pub last_id: String,
    /// The last `retry` of the stream, in milliseconds.
    pub retry: Option<u64>,
    pub pings: usize,
    pub end: Option<End>,
}

impl Stream {
    pub fn open(socket: TcpStream) -> Self {
        Self::try_open(socket).expect("a head")
    }

    /// `None` where the connection ends before a response.
    pub fn try_open(socket: TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(socket);
        let head = read_head(&mut reader).ok()?;
        assert!(head.contains(" 200 "), "{head}");
        Some(Self {
            chunked: header_in(&head, "transfer-encoding").is_some(),
            decoder: match header_in(&head, "content-encoding") {
                Some("gzip") => Some(write::GzDecoder::new(Vec::new())),
                Some("identity") | None => None,
                Some(other) => panic!("a stream of {other}"),
            },
            reader,
            head,
            rest: String::new(),
            bytes: Vec::new(),
            last_id: String::new(),
            retry: None,
            pings: 0,
            end: None,
        })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        header_in(&self.head, name)
    }

    pub fn socket(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    /// The next message, control events too; `None` at the end, which is then in `end`.
    pub fn next(&mut self) -> Option<Message> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(
                Instant::now() < deadline,
                "nothing but pings came on the stream"
            );
            if let Some(end) = self.rest.find("\n\n") {
                let block: String = self.rest.drain(..end + 2).collect();
                if let Some(message) = self.dispatch(&block) {
                    return Some(message);
                }
                continue;
            }
            if !self.fill() {
                let rest = std::mem::take(&mut self.rest);
                let id = self.last_id.clone();
                self.dispatch(&rest[..rest.rfind('\n').map_or(0, |at| at + 1)]);
                // A block that was cut off is not dispatched, and its id does not count.
                self.last_id = id;
                return None;
            }
        }
    }

    /// The next published event; control events are skipped.
    pub fn event(&mut self) -> Option<Message> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(
                Instant::now() < deadline,
                "no event came on the stream, only messages about it"
            );
            let message = self.next()?;
            if !RESERVED_NAMES.contains(&message.name.as_str()) {
                return Some(message);
            }
        }
    }

    /// The data of the next `count` events.
    pub fn data(&mut self, count: usize) -> Vec<String> {
        (0..count)
            .map(|_| self.event().expect("an event").data)
            .collect()
    }

    /// Reads up to the next message of this name.
    pub fn until(&mut self, name: &str) -> Message {
        loop {
            let message = self
                .next()
                .unwrap_or_else(|| panic!("the stream ended before {name}"));
            if message.name == name {
                return message;
            }
        }
    }

    /// The text of the stream from here on, up to and with this text.
    pub fn text_until(&mut self, text: &str) -> String {
        let end = self.peek(text).find(text).unwrap_or(0) + text.len();
        self.rest.drain(..end).collect()
    }

    /// Reads to a cut, before which a `position` has to set `retry`; returns the messages before that.
    pub fn drain_to_farewell(&mut self) -> Vec<Message> {
        let mut messages = self.drain();
        let last = messages.pop().expect("a last block");
        assert_eq!(last.name, "position");
        assert!(last.retry.is_some(), "no retry in the last block");
        assert_eq!(self.end, Some(End::Cut));
        messages
    }

    /// Reads to the end.
    pub fn drain(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.next()).collect()
    }

    /// Reads the next `count` bytes of the text, which has to be ASCII, or to the end of the stream.
    pub fn take_bytes(&mut self, count: usize) -> String {
        while self.rest.len() < count && self.fill() {}
        self.rest.drain(..count.min(self.rest.len())).collect()
    }

    /// Reads until the unread text holds `until`, and returns it without consuming it.
    pub fn peek(&mut self, until: &str) -> &str {
        while !self.rest.contains(until) {
            assert!(
                self.fill(),
                "the stream ended before {until:?}: {:?}",
                self.rest
            );
        }
        &self.rest
    }

    fn fill(&mut self) -> bool {
        if self.end.is_some() {
            return false;
        }
        let read = if self.chunked {
            read_chunk(&mut self.reader)
        } else {
            let read = self.reader.fill_buf().map(<[u8]>::to_vec);
            read.map(|bytes| {
                self.reader.consume(bytes.len());
                Some(bytes).filter(|bytes| !bytes.is_empty())
            })
        };
        match read {
            Ok(Some(bytes)) => {
                match &mut self.decoder {
                    None => self.bytes.extend(bytes),
                    Some(decoder) => {
                        decoder.write_all(&bytes).expect("a stream of gzip");
                        decoder.flush().expect("a stream of gzip");
                        self.bytes.append(decoder.get_mut());
                    }
                }
                let whole = match std::str::from_utf8(&self.bytes) {
                    Ok(text) => text.len(),
                    Err(error) => error.valid_up_to(),
                };
                let text: Vec<u8> = self.bytes.drain(..whole).collect();
                self.rest.push_str(&String::from_utf8(text).unwrap());
                true
            }
            Ok(None) => {
                self.end = Some(End::Clean);
                false
            }
            Err(error) => {
                let timed_out = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
                assert!(
                    !timed_out.contains(&error.kind()),
                    "nothing came on the stream"
                );
                self.end = Some(End::Cut);
                false
            }
        }
    }

    fn dispatch(&mut self, block: &str) -> Option<Message> {
        let (mut message, mut data) = (Message::default(), Vec::new());
        for line in block.lines() {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" if !line.is_empty() => self.pings += 1,
                "id" => value.clone_into(&mut self.last_id),
                "event" => value.clone_into(&mut message.name),
                "data" => data.push(value),
                "retry" => {
                    message.retry = value.parse().ok();
                    self.retry = message.retry;
                }
                _ => {}
            }
        }
        message.data = data.join("\n");
        message.id.clone_from(&self.last_id);
        (!data.is_empty()).then_some(message)
    }
}
