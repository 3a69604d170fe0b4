//! An accepted connection, before it is known whether its first request is for a stream.

use std::net::SocketAddr;

use super::{capacity::Counted, client_socket::ClientSocket};

/// A connection that was accepted, with the bytes that were read from it so far.
pub(crate) struct Accepted {
    pub(crate) socket: ClientSocket,
    pub(crate) received: Vec<u8>,
    /// `None` for a Unix socket.
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) counted: Counted,
}
