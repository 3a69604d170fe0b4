//! Tests of sessions with rustls' own client, over a socket in memory that accepts as little as a test likes.

mod certificates;
mod invalid;
mod sessions;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io::{self, ErrorKind, Read as _, Write as _},
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion,
    crypto::ring::default_provider, pki_types::ServerName,
};
use tempfile::TempDir;

use crate::{Certificates, Current, Pair, Session, Socket, server_config, session::Step};

/// A certificate for these names, with its key, in files `NAME.crt` and `NAME.key`.
fn make(directory: &TempDir, name: &str, names: &[&str]) -> rcgen::CertifiedKey<rcgen::KeyPair> {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let path = directory.path().join(name);
    std::fs::write(path.with_extension("crt"), made.cert.pem()).unwrap();
    std::fs::write(path.with_extension("key"), made.signing_key.serialize_pem()).unwrap();
    made
}

fn pair(directory: &TempDir, name: &str) -> Pair {
    let path = directory.path().join(name);
    Pair::read(&path.with_extension("crt"), &path.with_extension("key")).unwrap()
}

/// Both directions of a connection.
#[derive(Default)]
struct Pipe {
    to_server: RefCell<VecDeque<u8>>,
    to_client: RefCell<VecDeque<u8>>,
    /// How many more bytes the client's side has room for.
    room: Cell<usize>,
    /// Most bytes of a read.
    per_read: Cell<usize>,
    is_closed: Cell<bool>,
}

impl Socket for Pipe {
    fn receive(&self, space: &mut [u8]) -> io::Result<usize> {
        let length = space.len().min(self.per_read.get());
        match self.to_server.borrow_mut().read(&mut space[..length])? {
            0 if !self.is_closed.get() => Err(ErrorKind::WouldBlock.into()),
            read => Ok(read),
        }
    }

    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len().min(self.room.get());
        if length == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.room.set(self.room.get() - length);
        self.to_client.borrow_mut().write(&bytes[..length])
    }
}

/// A client and a session that have shaken hands.
struct Connected {
    pipe: Pipe,
    client: ClientConnection,
    session: Session,
}

impl Connected {
    fn new(version: &'static SupportedProtocolVersion) -> Self {
        let mut this = Self::started(version);
        this.shake_hands().unwrap();
        this
    }

    /// Before the handshake.
    fn started(version: &'static SupportedProtocolVersion) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let made = make(&directory, "own", &["localhost"]);
        let current = Current::new(Certificates::new(&[pair(&directory, "own")]));
        let config = server_config(&current, &[b"http/1.1"]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let pipe = Pipe::default();
        pipe.room.set(usize::MAX);
        pipe.per_read.set(usize::MAX);
        Self {
            pipe,
            client: ClientConnection::new(Arc::new(client), name).unwrap(),
            session: Session::new(Arc::new(config)).unwrap(),
        }
    }

    fn shake_hands(&mut self) -> io::Result<()> {
        loop {
            self.flush_client();
            let step = self.session.shake_hands(&self.pipe)?;
            self.received();
            if step == Step::Done && !self.client.is_handshaking() {
                return Ok(());
            }
        }
    }

    /// What the client sends arrives.
    fn flush_client(&mut self) {
        while self.client.wants_write() {
            self.client
                .write_tls(&mut *self.pipe.to_server.borrow_mut())
                .unwrap();
        }
    }

    /// What the client has been sent arrives, and is returned as text.
    fn received(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut arrived = self.pipe.to_client.borrow_mut();
        while !arrived.is_empty() {
            self.client.read_tls(&mut *arrived).unwrap();
            self.client.process_new_packets().unwrap();
            let _ = self.client.reader().read_to_end(&mut text);
        }
        text
    }

    fn send(&mut self, text: &[u8]) {
        self.client.writer().write_all(text).unwrap();
        self.flush_client();
    }

    /// Everything that has arrived, read in parts of this size.
    fn read(&mut self, part: usize) -> io::Result<Vec<u8>> {
        let (mut text, mut space) = (Vec::new(), vec![0; part]);
        loop {
            match self.session.read(&self.pipe, &mut space) {
                Ok(0) => return Ok(text),
                Ok(read) => text.extend_from_slice(&space[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(text),
                Err(error) => return Err(error),
            }
        }
    }
}
