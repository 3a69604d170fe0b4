//! The socket of a client, with its encryption if it has one.

use std::{
    io::{self, IoSlice, Write as _},
    net::TcpStream,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
};

use sse_broadcaster_tls::{Session, Socket};

/// Most bytes that are read at once to be discarded.
const DISCARD_AT_ONCE: usize = 4 << 10;

/// A socket that does not block.
#[derive(Debug)]
pub(crate) struct ClientSocket<S = TcpStream> {
    pub(super) io: S,
    pub(super) tls: Option<Box<Session>>,
}

impl<S: Socket> ClientSocket<S> {
    pub(crate) fn new(io: S, tls: Option<Box<Session>>) -> Self {
        Self { io, tls }
    }

    pub(crate) fn into_parts(self) -> (S, Option<Box<Session>>) {
        (self.io, self.tls)
    }

    /// Reads what has arrived; 0 at the end.
    pub(crate) fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.io.receive(space),
            Some(tls) => tls.read(&self.io, space),
        }
    }

    /// Writes as much as there is room for. After `WouldBlock` the next call must begin with the same bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.io.send(bytes),
            Some(tls) => tls.write(&self.io, bytes),
        }
    }

    /// How many bytes the kernel was given, where so many were written: encryption adds to them.
    pub(crate) fn take_sent(&mut self, written: usize) -> usize {
        match &mut self.tls {
            None => written,
            Some(tls) => tls.take_sent(),
        }
    }
}

impl ClientSocket {
    pub(crate) fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// The protocol that was agreed on with the client of an encrypted connection (ALPN).
    pub(crate) fn protocol(&self) -> Option<&[u8]> {
        self.tls.as_ref().and_then(|tls| tls.protocol())
    }

    /// Whether something of the client was received and not read: no readiness of the socket announces it.
    pub(crate) fn has_received(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.has_received())
    }

    /// Whether a part of an encrypted record has arrived, for which memory is kept.
    pub(crate) fn has_partial_record(&self) -> bool {
        self.tls
            .as_ref()
            .is_some_and(|tls| tls.has_partial_record())
    }

    /// Reads and discards some of what has arrived; 0 at the end.
    pub(crate) fn discard(&mut self) -> io::Result<usize> {
        match &mut self.tls {
            None => self.io.receive(&mut [0; DISCARD_AT_ONCE]),
            Some(tls) => tls.discard(&self.io),
        }
    }

    /// As [`write`](Self::write), with bytes in several pieces.
    pub(crate) fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.io.write_vectored(pieces),
            Some(tls) => tls.write_vectored(&self.io, pieces),
        }
    }
}

impl<S: AsFd> AsFd for ClientSocket<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl AsRawFd for ClientSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.io.as_raw_fd()
    }
}
