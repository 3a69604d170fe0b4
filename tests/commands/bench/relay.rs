//! Another kind of server: it accepts text by POST and relays it to all subscribers, split into odd pieces and wrapped
//! in JSON. A test can let it fail.

use std::{
    io::{BufRead as _, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, mpsc},
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

/// What becomes of an event, by its number in the run, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// One event is passed on to nobody.
    Drops(usize),
    /// One event is passed on twice.
    Doubles(usize),
    /// One event is held back until the next has been passed on.
    Swaps(usize),
    /// Streams end with one event.
    Cuts(usize),
    /// Publishes are refused from one event on.
    Refuses(usize),
    /// Publishes are never answered from one event on.
    IsSilent(usize),
}

pub struct Relay {
    pub address: SocketAddr,
    hub: Arc<Mutex<Hub>>,
}

struct Hub {
    fault: Fault,
    /// None tells a stream to end.
    streams: Vec<mpsc::Sender<Option<String>>>,
    events: usize,
    held_back: Option<String>,
    /// The first lines of all requests.
    requests: Vec<String>,
}

impl Relay {
    pub fn start(fault: Fault) -> Self {
        Self::serve(fault, None)
    }

    /// With `its.pem` and `its.key` of this directory.
    pub fn start_with_tls(directory: &Path) -> Self {
        let certificate = CertificateDer::from_pem_file(directory.join("its.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(directory.join("its.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key);
        Self::serve(Fault::None, Some(Arc::new(config.unwrap())))
    }

    fn serve(fault: Fault, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let hub = Arc::new(Mutex::new(Hub {
            fault,
            streams: Vec::new(),
            events: 0,
            held_back: None,
            requests: Vec::new(),
        }));
        let shared = hub.clone();
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let (hub, tls) = (shared.clone(), tls.clone());
                thread::spawn(move || match tls {
                    None => serve(socket, &hub),
                    Some(config) => {
                        let session = ServerConnection::new(config).unwrap();
                        serve(StreamOwned::new(session, socket), &hub)
                    }
                });
            }
        });
        Self { address, hub }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn events(&self) -> usize {
        lock(&self.hub).events
    }

    pub fn requests(&self) -> Vec<String> {
        lock(&self.hub).requests.clone()
    }
}

fn lock(hub: &Mutex<Hub>) -> MutexGuard<'_, Hub> {
    hub.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Until the client goes away.
fn serve(socket: impl Read + Write, hub: &Mutex<Hub>) -> Option<()> {
    let mut socket = BufReader::new(socket);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if socket.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let first = head.lines().next()?.to_owned();
        lock(hub).requests.push(first.clone());
        if first.starts_with("GET") {
            return stream(socket.get_mut(), hub);
        }
        let mut lines = head.lines();
        let length = lines.find_map(|line| line.strip_prefix("Content-Length: "))?;
        let mut body = vec![0; length.parse().ok()?];
        socket.read_exact(&mut body).ok()?;
        let response = lock(hub).publish(String::from_utf8(body).ok()?);
        socket.get_mut().write_all(response.as_bytes()).ok()?;
        socket.get_mut().flush().ok()?;
    }
}

fn stream(socket: &mut impl Write, hub: &Mutex<Hub>) -> Option<()> {
    let (send, receive) = mpsc::channel();
    socket
        .write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        )
        .ok()?;
    socket.flush().ok()?;
    lock(hub).streams.push(send);
    for event in receive {
        let event = format!("event: other\r\ndata: {{\"text\":\"{}\"}}\r\n\r\n", event?);
        // What the run looks for is never in one piece.
        for piece in event.as_bytes().chunks(7) {
            write!(socket, "{:X};x=y\r\n", piece.len()).ok()?;
            socket.write_all(piece).ok()?;
            socket.write_all(b"\r\n").ok()?;
            socket.flush().ok()?;
        }
    }
    None
}

impl Hub {
    /// What is answered, which may be nothing.
    fn publish(&mut self, body: String) -> String {
        const TAKEN: &str =
            "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        // Events of the warm-up, which are none of the run, have no lane but this.
        let is_of_run = !body.contains("-ffff-");
        if !is_of_run {
            self.pass_on(&body);
            return TAKEN.to_owned();
        }
        self.events += 1;
        let number = self.events;
        match self.fault {
            Fault::Refuses(from) if number >= from => {
                let problem = r#"{"code":"full","detail":"there is no room"}"#;
                return format!(
                    "HTTP/1.1 507 Insufficient Storage\r\nContent-Length: {}\r\n\r\n{problem}",
                    problem.len()
                );
            }
            Fault::IsSilent(from) if number >= from => return String::new(),
            Fault::Drops(which) if number == which => {}
            Fault::Swaps(which) if number == which => self.held_back = Some(body),
            Fault::Doubles(which) if number == which => {
                self.pass_on(&body);
                self.pass_on(&body);
            }
            Fault::Cuts(which) if number == which => self.streams.clear(),
            _ => {
                self.pass_on(&body);
                if let Some(held_back) = self.held_back.take() {
                    self.pass_on(&held_back);
                }
            }
        }
        TAKEN.to_owned()
    }

    fn pass_on(&mut self, body: &str) {
        self.streams
            .retain(|stream| stream.send(Some(body.to_owned())).is_ok());
    }
}
