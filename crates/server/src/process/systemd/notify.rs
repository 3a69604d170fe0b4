//! Tells systemd the state of the server, by the protocol of `sd_notify`: a datagram of lines `NAME=value`.

use std::{
    env,
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

const SOCKET: &str = "NOTIFY_SOCKET";
/// How long a message may wait for room in systemd's socket.
const SEND_WITHIN: Duration = Duration::from_secs(1);
/// How often systemd is asked for more time.
const EXTEND_INTERVAL: Duration = Duration::from_secs(10);
/// How much time each of these messages asks for.
const EXTENSION: Duration = Duration::from_secs(30);

/// Tells systemd the state of the server. Does nothing if systemd did not start it.
#[derive(Debug, Clone)]
pub(crate) struct Notifier(Option<Arc<Manager>>);

#[derive(Debug)]
struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
    has_failed: AtomicBool,
}

impl Notifier {
    /// The socket that the environment names.
    pub(crate) fn from_env() -> Self {
        let Some(name) = env::var_os(SOCKET).filter(|name| !name.is_empty()) else {
            return Self(None);
        };
        let manager = Manager::open(&name).map_err(|error| {
            log::warn!(
                "{SOCKET} is {}: {error}; the state of the server is not reported",
                name.display()
            );
        });
        Self(manager.ok().map(Arc::new))
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.0.is_some()
    }

    /// The server has begun to open its history. Until the result is dropped, the start may take longer than
    /// `TimeoutStartSec=`, but no longer than `at_most`.
    pub(crate) fn opening(&self, at_most: Duration) -> Option<Extension> {
        self.send("STATUS=Opening the history");
        self.extend(at_most)
    }

    /// The server listens.
    pub(crate) fn ready(&self) {
        self.send("READY=1");
    }

    pub(crate) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }

    pub(crate) fn works(&self) {
        self.send("WATCHDOG=1");
    }

    pub(crate) fn serving(&self, subscribers: u64) {
        let s = if subscribers == 1 { "" } else { "s" };
        self.send(&format!("STATUS=Serving {subscribers} subscriber{s}"));
    }

    /// The server has begun to end. Until the result is dropped, that may take longer than `TimeoutStopSec=`, but no
    /// longer than `at_most`.
    pub(crate) fn stopping(&self, at_most: Duration) -> Option<Extension> {
        self.send("STOPPING=1\nSTATUS=Draining");
        self.extend(at_most)
    }

    fn send(&self, state: &str) {
        if let Some(manager) = &self.0 {
            manager.send(state);
        }
    }

    fn extend(&self, at_most: Duration) -> Option<Extension> {
        let manager = Arc::clone(self.0.as_ref()?);
        manager.extend();
        let (end, ended) = mpsc::channel();
        // On a thread of its own, since opening a log blocks that of the caller.
        let spawned = thread::Builder::new()
            .name("extend-timeout".to_owned())
            .spawn(move || manager.extend_until(at_most, &ended));
        match spawned {
            Ok(_) => Some(Extension { _end: end }),
            Err(error) => {
                log::warn!("systemd cannot be asked for more time: {error}");
                None
            }
        }
    }
}

/// While this exists, systemd is asked for more time.
#[derive(Debug)]
#[must_use]
pub(crate) struct Extension {
    _end: mpsc::Sender<()>,
}

impl Manager {
    fn open(name: &OsStr) -> io::Result<Self> {
        let address = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "a path begins with /, and an abstract socket with @",
                ));
            }
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(SEND_WITHIN))?;
        Ok(Self {
            socket,
            address,
            has_failed: AtomicBool::new(false),
        })
    }

    fn send(&self, state: &str) {
        let sent = self.socket.send_to_addr(state.as_bytes(), &self.address);
        let Err(error) = sent else {
            self.has_failed.store(false, Ordering::Relaxed);
            return;
        };
        if !self.has_failed.swap(true, Ordering::Relaxed) {
            log::warn!("systemd cannot be told {state:?}: {error}");
        }
    }

    fn extend(&self) {
        self.send(&format!("EXTEND_TIMEOUT_USEC={}", EXTENSION.as_micros()));
    }

    fn extend_until(&self, at_most: Duration, ended: &mpsc::Receiver<()>) {
        let begun = Instant::now();
        while ended.recv_timeout(EXTEND_INTERVAL) == Err(RecvTimeoutError::Timeout)
            && begun.elapsed() < at_most
        {
            self.extend();
        }
    }
}
