//! A socket with a connection of rustls, which has buffers of its own.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use rustls::{
    ServerConfig, ServerConnection,
    crypto::ring::{Ticketer, default_provider},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use super::{Chunk, connection::Transport};

/// TLS 1.3 and 1.2, with tickets, as ours.
pub(super) fn config(certificate: &str, key: &str) -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(certificate).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let mut config = ServerConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("the key of the certificate");
    config.ticketer = Ticketer::new().expect("random numbers");
    config.into()
}

pub(super) struct Encrypted {
    socket: TcpStream,
    session: Box<ServerConnection>,
}

impl Encrypted {
    pub(super) fn new(socket: OwnedFd, config: &Arc<ServerConfig>) -> Self {
        let mut session = ServerConnection::new(Arc::clone(config)).expect("settings that fit");
        session.set_buffer_limit(None);
        Self {
            socket: socket.into(),
            session: Box::new(session),
        }
    }
}

impl AsFd for Encrypted {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Transport for Encrypted {
    fn receive(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if self.session.read_tls(&mut self.socket)? == 0 {
            return Ok(0);
        }
        let processed = self.session.process_new_packets();
        self.send_waiting();
        processed.map_err(io::Error::other)?;
        self.session.reader().read(space)
    }

    fn send(&mut self, chunk: &Chunk) {
        let buffered = self.session.writer().write_all(chunk);
        buffered.expect("there is no limit");
        self.send_waiting();
    }

    fn send_waiting(&mut self) {
        while self.session.wants_write() {
            if self.session.write_tls(&mut self.socket).is_err() {
                return;
            }
        }
    }

    fn is_waiting(&self) -> bool {
        self.session.wants_write()
    }
}
