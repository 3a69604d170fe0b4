//! One connection, and what its socket has not taken.

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
    /// Of a stream: the topic that it is about, as a number.
    pub(super) topic: Option<u64>,
    /// Of a request that has not come whole.
    pub(super) input: Vec<u8>,
    backlog: Option<Box<Backlog>>,
}

/// What a full socket has not taken.
#[derive(Default)]
struct Backlog {
    chunks: VecDeque<Chunk>,
    /// Of the first chunk, what has been sent.
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

    pub(super) fn send(&mut self, chunk: &Chunk, epoll: &OwnedFd, place: usize) {
        if let Some(backlog) = &mut self.backlog {
            backlog.chunks.push_back(Arc::clone(chunk));
            return;
        }
        let sent = match send(&self.socket, chunk, SEND) {
            Ok(sent) if sent == chunk.len() => return,
            Ok(sent) => sent,
            Err(Errno::AGAIN) => 0,
            // Its end is told by epoll.
            Err(_) => return,
        };
        self.backlog = Some(Box::new(Backlog {
            chunks: [Arc::clone(chunk)].into(),
            sent,
        }));
        let flags = READ | EventFlags::OUT;
        epoll::modify(epoll, &self.socket, token(place), flags).expect("modified");
    }

    /// One `send` for each chunk, here too.
    pub(super) fn send_backlog(&mut self, epoll: &OwnedFd, place: usize) {
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
        epoll::modify(epoll, &self.socket, token(place), READ).expect("modified");
    }
}

pub(super) fn token(place: usize) -> EventData {
    EventData::new_u64(place as u64)
}
