//! Readiness of the worker's sockets. They have a poll of their own within the runtime's, so that a socket
//! needs no memory but its descriptor.

use std::{
    io,
    os::fd::AsRawFd as _,
    task::{Context, Poll, ready},
    time::Duration,
};

use mio::{Events, Interest, Token, unix::SourceFd};
use tokio::io::unix::AsyncFd;

use super::inbox::Slot;
use crate::http::connection::{client_socket::ClientSocket, socket};

/// Most readiness events of one poll.
const MAX_EVENTS: usize = 256;

/// The readiness of a socket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ready {
    pub(super) slot: Slot,
    pub(super) to_read: bool,
    /// The client has closed its side; bytes before that may still be unread.
    pub(super) is_closed: bool,
    pub(super) has_room: bool,
}

pub(super) struct Sockets {
    poll: AsyncFd<mio::Poll>,
    events: Events,
}

impl Sockets {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            poll: socket::watch(mio::Poll::new()?).map_err(|(_, error)| error)?,
            events: Events::with_capacity(MAX_EVENTS),
        })
    }

    /// Polls a socket for bytes to read, until it is closed.
    pub(super) fn add(&self, socket: &ClientSocket, slot: Slot) -> io::Result<()> {
        let registry = self.poll.get_ref().registry();
        let token = Token(slot as usize);
        registry.register(
            &mut SourceFd(&socket.as_raw_fd()),
            token,
            Interest::READABLE,
        )
    }

    /// Polls a socket for room to write as well.
    pub(super) fn watch_room(&self, socket: &ClientSocket, slot: Slot) -> io::Result<()> {
        let registry = self.poll.get_ref().registry();
        let token = Token(slot as usize);
        let both = Interest::READABLE | Interest::WRITABLE;
        registry.reregister(&mut SourceFd(&socket.as_raw_fd()), token, both)
    }

    pub(super) fn remove(&self, socket: &ClientSocket) {
        let registry = self.poll.get_ref().registry();
        // The socket goes to another poll, or is closed.
        let _ = registry.deregister(&mut SourceFd(&socket.as_raw_fd()));
    }

    /// Appends what has become ready to `found`.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        found: &mut Vec<Ready>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.poll.poll_read_ready_mut(cx))?;
            let poll = guard.get_inner_mut();
            match poll.poll(&mut self.events, Some(Duration::ZERO)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            let found = self.events.iter().count();
            if found < MAX_EVENTS {
                // That was all. The runtime is on this thread, so that no new event is lost.
                guard.clear_ready();
            }
            if found > 0 {
                break;
            }
        }
        found.extend(self.events.iter().filter_map(|event| {
            Some(Ready {
                slot: Slot::try_from(event.token().0).ok()?,
                to_read: event.is_readable() || event.is_read_closed() || event.is_error(),
                is_closed: event.is_read_closed() || event.is_error(),
                has_room: event.is_writable(),
            })
        }));
        Poll::Ready(Ok(()))
    }
}
