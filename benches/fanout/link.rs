//! A client's connection, plain or encrypted.

use std::{
    io::{self, Read, Write as _},
    net::TcpStream,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
};

use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

use crate::certificate::NAME;

pub enum Link {
    Plain(TcpStream),
    Encrypted(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Link {
    /// Encrypted with these settings, if any.
    pub fn new(socket: TcpStream, tls: Option<&Arc<ClientConfig>>) -> Self {
        let Some(config) = tls else {
            return Self::Plain(socket);
        };
        let name = ServerName::try_from(NAME).expect("a name");
        let session = ClientConnection::new(Arc::clone(config), name).expect("settings that fit");
        Self::Encrypted(Box::new(StreamOwned::new(session, socket)))
    }

    /// Sends bytes that the socket has room for. During a handshake they wait for its end: reads go on with it.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes),
            Self::Encrypted(stream) => {
                let StreamOwned { conn, sock } = &mut **stream;
                conn.writer().write_all(bytes)?;
                while conn.wants_write() {
                    conn.write_tls(sock)?;
                }
                Ok(())
            }
        }
    }

    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Encrypted(stream) => &stream.sock,
        }
    }
}

impl Read for Link {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(space),
            Self::Encrypted(stream) => stream.read(space),
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket().as_fd()
    }
}
