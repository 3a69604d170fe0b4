//! Clients, their connections, and what each connection has to begin with.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Poll, Wake as _},
};

use futures_util::StreamExt;
use sse_broadcaster::{EventId, Format, Start, broadcaster::EncodedStream, sse::Position};

use super::{World, flag::Flag, on_a_new_thread};
use crate::{
    model::oracle::{self, Interest, Opening, Published, Reader, Received},
    model::wire::Parser,
};

/// One connection: the server's end, and the bytes between it and the client.
pub(super) struct Stream {
    subscription: EncodedStream,
    pub(super) woken: Arc<Flag>,
    start: Start,
    head_at_start: EventId,
    /// The trim floor when the connection was opened: positions that were known then may be read with others.
    floor: EventId,
    /// The stream has to send a position once it has come here.
    pub(super) until: Option<EventId>,
    parser: Parser,
    pub(super) reader: Reader,
    /// Bytes that the server has written, and the client has not read.
    socket: VecDeque<u8>,
}

/// A client that reconnects with its last id, as an `EventSource` does.
pub struct Client {
    pub(super) interest: Interest,
    format: Format,
    start: Start,
    tells_head: bool,
    pub(super) received: Received,
    parser: Parser,
    pub(super) stream: Option<Stream>,
}

impl World {
    pub fn join(
        &mut self,
        interest: Interest,
        format: Format,
        start: Start,
        tells_head: bool,
    ) -> usize {
        self.clients.push(Client {
            interest,
            format,
            start,
            tells_head,
            received: Received::default(),
            parser: Parser::default(),
            stream: None,
        });
        self.connect(self.clients.len() - 1);
        self.clients.len() - 1
    }

    /// Reconnects with the last id, or as the client began where it has none.
    pub fn connect(&mut self, client: usize) {
        let floor = self.floor();
        let client = &mut self.clients[client];
        if client.stream.is_some() {
            return;
        }
        let last_id = client.received.last_id.clone();
        let start = last_id.map_or(client.start.clone(), Start::After);
        let (broadcaster, interest) = (&self.broadcaster, client.interest);
        let subscribe = || broadcaster.subscribe(interest.selector(), start.clone());
        let mut subscription = if self.shape.shards > 1 {
            on_a_new_thread(subscribe).unwrap()
        } else {
            subscribe().unwrap()
        };
        if client.tells_head {
            subscription.announce_head();
        }
        let subscription = subscription.encoded(client.format.encoder());
        client.stream = Some(Stream {
            floor,
            until: client.tells_head.then(|| plain(subscription.head())),
            subscription,
            woken: Flag::raised(),
            start,
            head_at_start: self.log.head(),
            parser: Parser::default(),
            reader: Reader::new(interest, client.format),
            socket: VecDeque::new(),
        });
    }

    /// The server's end is polled once, if it was woken; whether it was.
    pub fn poll(&mut self, client: usize) -> bool {
        let Some(stream) = &self.clients[client].stream else {
            return false;
        };
        let opening = self.opening(self.clients[client].interest, stream);
        let strict = self.shape.is_strict();
        let _guard = self.runtime.enter();
        let stream = self.clients[client].stream.as_mut().unwrap();
        let woken = stream.woken.is_raised();
        let subscription = &mut stream.subscription;
        match stream.woken.poll(|cx| subscription.poll_next_unpin(cx)) {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(bytes))) => {
                stream.woken.wake_by_ref();
                let floor = self.broadcaster.bounds().trim_floor;
                for block in stream.parser.feed(bytes.iter().copied()) {
                    stream.reader.see(&block, &self.log, floor, opening, strict);
                }
                stream.socket.extend(bytes);
            }
            Poll::Ready(Some(Err(_))) => {
                assert!(self.shape.gated, "a stream was cut");
                self.cut(client, usize::MAX);
            }
            Poll::Ready(None) => panic!("a stream ended cleanly"),
        }
        woken
    }

    /// Polled from another task than before.
    pub fn move_to_another_task(&mut self, client: usize) {
        if let Some(stream) = &mut self.clients[client].stream {
            stream.woken = Flag::raised();
        }
    }

    /// The client reads so many bytes.
    pub fn receive(&mut self, client: usize, bytes: usize) {
        let client = &mut self.clients[client];
        let Some(stream) = &mut client.stream else {
            return;
        };
        let some = stream.socket.drain(..bytes.min(stream.socket.len()));
        for block in client.parser.feed(some) {
            client.received.see(&block);
        }
    }

    /// The connection breaks after the client has read so many more bytes.
    pub fn cut(&mut self, client: usize, bytes: usize) {
        self.receive(client, bytes);
        self.clients[client].stream = None;
        self.clients[client].parser = Parser::default();
    }

    fn opening(&self, interest: Interest, stream: &Stream) -> Opening {
        if stream.reader.at.is_some() {
            return Opening::Any;
        }
        match &stream.start {
            Start::Live => Opening::Live(stream.head_at_start),
            Start::After(id) if self.shape.is_strict() => self.opening_after(id, stream.floor),
            Start::After(id) => match id.parse() {
                Ok(id) if self.log.has(id) => Opening::After(id),
                _ => Opening::Any,
            },
            _ if !self.shape.is_strict() => Opening::Any,
            Start::Earliest => self.opening_at(self.dropped),
            Start::Last(count) => {
                let matches = |index: &usize| interest.admits(&self.log.events[*index]);
                let mut last = (self.dropped..self.log.events.len()).rev().filter(matches);
                match count.checked_sub(1) {
                    None => self.opening_at(self.log.events.len()),
                    Some(nth) => self.opening_at(last.nth(nth).unwrap_or(self.dropped)),
                }
            }
            Start::Ago(_) => unreachable!("the model has no clock"),
            Start::Since(time) => {
                let is_before = |event: &Published| oracle::time(event.id) < *time;
                let first = self.log.events.partition_point(is_before);
                Opening::At {
                    gap: first < self.dropped,
                    at: self.log.before(first.max(self.dropped)),
                }
            }
        }
    }

    fn opening_at(&self, index: usize) -> Opening {
        let at = self.log.before(index);
        Opening::At { gap: false, at }
    }

    fn opening_after(&self, brought: &str, floor: EventId) -> Opening {
        let is_own =
            |event: &&Published| event.key.map(oracle::idempotency_key).as_deref() == Some(brought);
        let mut owned = self.log.events.iter().filter(is_own);
        let position = match (brought.parse(), owned.next(), owned.next()) {
            (Ok(id), ..) => Some(id),
            (Err(_), Some(only), None) if only.id > self.floor() => Some(only.id),
            _ => None,
        };
        match position {
            Some(at) if self.is_held(at) => Opening::At { gap: false, at },
            Some(at) if at >= floor && self.log.has(at) => Opening::After(at),
            _ => Opening::At {
                gap: true,
                at: self.floor(),
            },
        }
    }

    /// Whether a resume after this position has no gap.
    pub(super) fn is_held(&self, id: EventId) -> bool {
        id >= self.floor() && self.log.has(id)
    }
}

/// The model's broadcaster encrypts no positions.
fn plain(position: Position) -> EventId {
    match position {
        Position::Id(id) => id,
        Position::Encrypted(_) => panic!("{position} without a cipher"),
    }
}
