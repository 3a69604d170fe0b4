//! The socket under a session.

use std::io::{self, Read as _, Write as _};

/// A socket that does not block.
pub trait Socket {
    /// Receives into `space`; 0 if the client has closed its side.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing has arrived; those of the system.
    fn receive(&self, space: &mut [u8]) -> io::Result<usize>;

    /// Sends as many of these bytes as there is room for.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is no room; those of the system.
    fn send(&self, bytes: &[u8]) -> io::Result<usize>;
}

impl Socket for std::net::TcpStream {
    fn receive(&self, space: &mut [u8]) -> io::Result<usize> {
        (&*self).read(space)
    }

    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }
}

impl Socket for tokio::net::TcpStream {
    fn receive(&self, space: &mut [u8]) -> io::Result<usize> {
        self.try_read(space)
    }

    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write(bytes)
    }
}
