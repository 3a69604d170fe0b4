//! One connection, and the bytes that its socket has not accepted.

use std::{collections::VecDeque, os::fd::OwnedFd, sync::Arc};

use rustix::{
    event::epoll::{self, EventData, EventFlags},
    io::Errno,
    net::{SendFlags, send},
};

use super::Chunk;

pub(super) const READ: EventFlags = EventFlags::IN.union(EventFlags::RDHUP);
const SEND: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::DONTWAIT);

pub(super) struct Connection {
    pub(super) socket: OwnedFd,
    /// The topic of a stream, as a number; `None` for other connections.
    pub(super) topic: Option<u64>,
    /// The bytes of an incomplete request.
    pub(super) input: Vec<u8>,
    backlog: Option<Box<Backlog>>,
}

/// The bytes that a full socket has not accepted.
#[derive(Default)]
struct Backlog {
    chunks: VecDeque<Chunk>,
    /// How many bytes of the first chunk have been sent.
    sent: usize,
}

impl Connection {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            topic: None,
            input: Vec::new(),
            backlog: None,
        }
    }

    pub(super) fn send(&mut self, chunk: &Chunk, epoll: &OwnedFd, index: usize) {
        if let Some(backlog) = &mut self.backlog {
            backlog.chunks.push_back(Arc::clone(chunk));
            return;
        }
        let sent = match send(&self.socket, chunk, SEND) {
            Ok(sent) if sent == chunk.len() => return,
            Ok(sent) => sent,
            Err(Errno::AGAIN) => 0,
            // epoll reports the end of the connection.
            Err(_) => return,
        };
        self.backlog = Some(Box::new(Backlog {
            chunks: [Arc::clone(chunk)].into(),
            sent,
        }));
        let flags = READ | EventFlags::OUT;
        epoll::modify(epoll, &self.socket, token(index), flags).expect("modified");
    }

    /// Makes one `send` for each chunk, as for other events.
    pub(super) fn send_backlog(&mut self, epoll: &OwnedFd, index: usize) {
        let Some(backlog) = &mut self.backlog else {
            return;
        };
        while let Some(chunk) = backlog.chunks.front() {
            match send(&self.socket, &chunk[backlog.sent..], SEND) {
                Ok(sent) if backlog.sent + sent == chunk.len() => {
                    backlog.sent = 0;
                    backlog.chunks.pop_front();
                }
                Ok(sent) => backlog.sent += sent,
                Err(_) => return,
            }
        }
        self.backlog = None;
        epoll::modify(epoll, &self.socket, token(index), READ).expect("modified");
    }
}

pub(super) fn token(index: usize) -> EventData {
    EventData::new_u64(index as u64)
}
