//! A socket, and the bytes that it has not accepted.

use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use rustix::{
    io::Errno,
    net::{RecvFlags, SendFlags, recv, send},
};

use super::{Chunk, connection::Transport};

const SEND: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::DONTWAIT);

pub(super) struct Plain {
    socket: OwnedFd,
    backlog: Option<Box<Backlog>>,
}

/// The bytes that a full socket has not accepted.
#[derive(Default)]
struct Backlog {
    chunks: VecDeque<Chunk>,
    /// How many bytes of the first chunk have been sent.
    sent: usize,
}

impl Plain {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            backlog: None,
        }
    }
}

impl AsFd for Plain {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Transport for Plain {
    fn receive(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let (length, _) = recv(&self.socket, space, RecvFlags::empty())?;
        Ok(length)
    }

    fn send(&mut self, chunk: &Chunk) {
        if let Some(backlog) = &mut self.backlog {
            backlog.chunks.push_back(Arc::clone(chunk));
            return;
        }
        let sent = match send(&self.socket, chunk, SEND) {
            Ok(sent) if sent == chunk.len() => return,
            Ok(sent) => sent,
            Err(Errno::AGAIN) => 0,
            Err(_) => return,
        };
        self.backlog = Some(Box::new(Backlog {
            chunks: [Arc::clone(chunk)].into(),
            sent,
        }));
    }

    /// Makes one `send` for each chunk, as for other events.
    fn send_waiting(&mut self) {
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
    }

    fn is_waiting(&self) -> bool {
        self.backlog.is_some()
    }
}
