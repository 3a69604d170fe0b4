//! One connection that never blocks, with TLS or without.

use std::{
    io::{self, Read as _, Write as _},
    time::Duration,
};

use mio::{event::Event, net::TcpStream};
use rustls::ClientConnection;
use socket2::SockRef;

use super::endpoint::{Endpoint, Tls};

pub(crate) enum Connection {
    Plain(TcpStream),
    Secure(Box<Secure>),
}

pub(crate) struct Secure {
    socket: TcpStream,
    session: ClientConnection,
}

/// Whether nothing will come after what can be read now.
pub(crate) fn is_ending(event: &Event) -> bool {
    event.is_read_closed() || event.is_error()
}

impl Connection {
    /// Begins to connect.
    pub(crate) fn open(endpoint: &Endpoint) -> io::Result<Self> {
        let socket = TcpStream::connect(endpoint.address)?;
        socket.set_nodelay(true)?;
        let Some(Tls { config, name }) = &endpoint.tls else {
            return Ok(Self::Plain(socket));
        };
        let session = ClientConnection::new(config.clone(), name.clone());
        let session = session.map_err(io::Error::other)?;
        Ok(Self::Secure(Box::new(Secure { socket, session })))
    }

    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Secure(secure) => &mut secure.socket,
        }
    }

    /// Closes by a reset when dropped: after an orderly close, thousands of ports would linger in `TIME_WAIT`, and
    /// be missing to the next run.
    pub(crate) fn close_by_reset(&mut self) -> io::Result<()> {
        SockRef::from(&*self.socket()).set_linger(Some(Duration::ZERO))
    }

    /// Fails with `WouldBlock` when nothing can be read now; 0 is the end.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(into),
            Self::Secure(secure) => secure.read(into),
        }
    }

    /// Whether a read of `read` bytes into `room` bytes has left nothing: what comes later is a new event. The
    /// end of the stream is not, if this event announced it.
    pub(crate) fn is_drained_by(&self, read: usize, room: usize, is_ending: bool) -> bool {
        matches!(self, Self::Plain(_)) && read < room && !is_ending
    }

    /// Writes what is left of `bytes` after the first `written` ones, as far as that does not block.
    pub(crate) fn write_more(&mut self, bytes: &[u8], written: &mut usize) -> io::Result<()> {
        while *written < bytes.len() {
            match self.write(&bytes[*written..]) {
                Ok(count) => *written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Fails with `WouldBlock` when nothing can be written now, also while connecting.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Secure(secure) => secure.write(bytes),
        };
        written.map_err(|error| match error.kind() {
            io::ErrorKind::NotConnected => io::ErrorKind::WouldBlock.into(),
            _ => error,
        })
    }
}

impl Secure {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            self.flush()?;
            if self.session.read_tls(&mut self.socket)? == 0 {
                return Ok(0);
            }
            let processed = self.session.process_new_packets();
            // Sends the alert where the certificate was rejected.
            self.flush()?;
            processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.session.writer().write(bytes)?;
        self.flush()?;
        match written {
            0 if !bytes.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            written => Ok(written),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if would_block(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn would_block(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected
    )
}
