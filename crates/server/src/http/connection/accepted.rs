//! An accepted connection, before it is known whether its first request is for a stream.

use std::net::{SocketAddr, TcpStream};

use super::capacity::Counted;

/// A connection that was accepted, with the bytes that were read from it so far.
pub(crate) struct Accepted {
    pub(crate) socket: TcpStream,
    pub(crate) received: Vec<u8>,
    /// `None` for a Unix socket.
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) counted: Counted,
}
