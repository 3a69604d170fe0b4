//! One connection that never waits, with TLS or without.

use std::{
    io::{self, Read as _, Write as _},
    time::Duration,
};

use mio::{event::Event, net::TcpStream};
use rustls::ClientConnection;
use socket2::SockRef;

use super::endpoint::{Endpoint, Tls};

pub(super) enum Link {
    Plain(TcpStream),
    Secure(Box<Secure>),
}

pub(super) struct Secure {
    socket: TcpStream,
    session: ClientConnection,
}

/// Whether an event tells that nothing comes behind what is there.
pub(super) fn is_ending(event: &Event) -> bool {
    event.is_read_closed() || event.is_error()
}

impl Link {
    /// Begins to connect.
    pub(super) fn open(place: &Endpoint) -> io::Result<Self> {
        let socket = TcpStream::connect(place.address)?;
        socket.set_nodelay(true)?;
        let Some(Tls { config, name }) = &place.tls else {
            return Ok(Self::Plain(socket));
        };
        let session = ClientConnection::new(config.clone(), name.clone());
        let session = session.map_err(io::Error::other)?;
        Ok(Self::Secure(Box::new(Secure { socket, session })))
    }

    pub(super) fn socket(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Secure(secure) => &mut secure.socket,
        }
    }

    /// Ends by a reset: thousands of ports that linger behind an orderly end would be missing to the
    /// next run.
    pub(super) fn leave_no_port_behind(&mut self) -> io::Result<()> {
        SockRef::from(&*self.socket()).set_linger(Some(Duration::ZERO))
    }

    /// Fails with `WouldBlock` when nothing more is there now; 0 is the end.
    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(into),
            Self::Secure(secure) => secure.read(into),
        }
    }

    /// Whether a read that gave so many of so many bytes has left nothing: what comes later is told
    /// by a new event. An end that this event told of already is not told again.
    pub(super) fn is_drained_by(&self, read: usize, room: usize, is_ending: bool) -> bool {
        matches!(self, Self::Plain(_)) && read < room && !is_ending
    }

    /// Fails with `WouldBlock` when nothing more can be taken now, also while it connects.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
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
            // An alert, where it was refused.
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
                Err(error) if is_too_early(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn is_too_early(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected
    )
}
