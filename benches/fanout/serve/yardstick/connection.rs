//! One connection, plain or encrypted.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::event::epoll::{self, EventData, EventFlags};

use super::Chunk;

pub(super) const READ: EventFlags = EventFlags::IN.union(EventFlags::RDHUP);

/// How a connection receives and sends. Its socket does not block.
pub(super) trait Transport: AsFd {
    /// Receives bytes of the client; 0 if there will be no more.
    fn receive(&mut self, space: &mut [u8]) -> io::Result<usize>;

    /// Sends a chunk after those that wait. What the socket does not accept waits; epoll reports the end of the
    /// connection.
    fn send(&mut self, chunk: &Chunk);

    /// Sends what waits for room in the socket.
    fn send_waiting(&mut self);

    fn is_waiting(&self) -> bool;
}

pub(super) struct Connection<T> {
    transport: T,
    /// The topic of a stream, as a number; `None` for other connections.
    pub(super) topic: Option<u64>,
    /// The bytes of an incomplete request.
    pub(super) input: Vec<u8>,
}

impl<T: Transport> Connection<T> {
    pub(super) fn new(transport: T) -> Self {
        Self {
            transport,
            topic: None,
            input: Vec::new(),
        }
    }

    pub(super) fn receive(
        &mut self,
        space: &mut [u8],
        epoll: &OwnedFd,
        index: usize,
    ) -> io::Result<usize> {
        self.watching(epoll, index, |transport| transport.receive(space))
    }

    pub(super) fn send(&mut self, chunk: &Chunk, epoll: &OwnedFd, index: usize) {
        self.watching(epoll, index, |transport| transport.send(chunk));
    }

    pub(super) fn send_waiting(&mut self, epoll: &OwnedFd, index: usize) {
        self.watching(epoll, index, Transport::send_waiting);
    }

    /// Has epoll report room in the socket as long as bytes wait for it.
    fn watching<R>(&mut self, epoll: &OwnedFd, index: usize, call: impl FnOnce(&mut T) -> R) -> R {
        let was_waiting = self.transport.is_waiting();
        let result = call(&mut self.transport);
        let is_waiting = self.transport.is_waiting();
        if is_waiting != was_waiting {
            let flags = if is_waiting {
                READ | EventFlags::OUT
            } else {
                READ
            };
            epoll::modify(epoll, &self.transport, token(index), flags).expect("modified");
        }
        result
    }
}

pub(super) fn token(index: usize) -> EventData {
    EventData::new_u64(index as u64)
}
