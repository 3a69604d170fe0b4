//! Socket activation: sockets that systemd has bound, and that it passes to the server. It keeps them while the server
//! restarts, so that connections wait instead of being refused.

use std::{
    env, io,
    net::TcpListener,
    os::{
        fd::{BorrowedFd, FromRawFd as _, OwnedFd, RawFd},
        unix::net::UnixListener,
    },
    process,
};

use rustix::{
    io::{FdFlags, fcntl_setfd},
    net::{AddressFamily, SocketType, getsockname, sockopt},
};

use crate::{config::BadSetting, http::listen::UnixSocket};

const PID: &str = "LISTEN_PID";
const COUNT: &str = "LISTEN_FDS";
const NAMES: &str = "LISTEN_FDNAMES";
/// The name of sockets that are used in place of `--admin-listen`.
const ADMIN: &str = "admin";
/// The name of those that are used in place of `--redirect-http`.
const REDIRECT: &str = "redirect";
/// The number of the first socket.
const FIRST: RawFd = 3;
/// Most sockets.
const MAX: RawFd = 256;

/// A listener that systemd has bound.
#[derive(Debug)]
pub(crate) enum PassedSocket {
    Tcp(TcpListener),
    Unix(UnixSocket),
}

/// The sockets that systemd passes.
#[derive(Debug, Default)]
pub(crate) struct PassedSockets {
    /// In place of `--listen`.
    pub(crate) public: Vec<PassedSocket>,
    /// In place of `--admin-listen`.
    pub(crate) admin: Vec<PassedSocket>,
    /// In place of `--redirect-http`.
    pub(crate) redirect: Vec<TcpListener>,
}

impl PassedSockets {
    /// Takes the sockets, and removes their variables from the environment. Called once, before the process has other
    /// threads or opens a file.
    ///
    /// # Errors
    /// For variables that are not valid, and for what is no listener for streams.
    pub(crate) fn take() -> Result<Self, BadSetting> {
        let variables = Variables::take();
        let mut sockets = Self::default();
        let Some(count) = variables.count()? else {
            return Ok(sockets);
        };
        let names = variables.names(count)?;
        for (fd, name) in (FIRST..FIRST + count).zip(names) {
            let socket = PassedSocket::new(fd).map_err(|why| {
                BadSetting(format!(
                    "{COUNT} passes file descriptor {fd} ({name}): {why}; a socket unit needs ListenStream= and Accept=no"
                ))
            })?;
            match (name, socket) {
                (ADMIN, socket) => sockets.admin.push(socket),
                (REDIRECT, PassedSocket::Tcp(listener)) => sockets.redirect.push(listener),
                (REDIRECT, PassedSocket::Unix(_)) => {
                    return Err(BadSetting(format!(
                        "{COUNT} passes file descriptor {fd} ({name}): it is a Unix socket, and redirects are served over TCP"
                    )));
                }
                (_, socket) => sockets.public.push(socket),
            }
        }
        Ok(sockets)
    }
}

/// The values of the variables.
struct Variables {
    pid: Option<String>,
    count: Option<String>,
    names: Option<String>,
}

impl Variables {
    fn take() -> Self {
        let [pid, count, names] = [PID, COUNT, NAMES].map(|name| {
            let value = env::var_os(name)?;
            #[allow(unsafe_code, reason = "the standard library has no safe way")]
            // SAFETY: the process has no other thread yet, as `PassedSockets::take` requires.
            unsafe {
                env::remove_var(name);
            }
            Some(value.to_string_lossy().into_owned())
        });
        Self { pid, count, names }
    }

    /// How many sockets are passed to this process.
    fn count(&self) -> Result<Option<RawFd>, BadSetting> {
        let Some(count) = &self.count else {
            return Ok(None);
        };
        // They may be meant for the process that started this one.
        if self.pid.as_deref() != Some(process::id().to_string().as_str()) {
            return Ok(None);
        }
        match count.parse() {
            Ok(count) if (0..=MAX).contains(&count) => Ok(Some(count)),
            _ => Err(BadSetting(format!(
                "{COUNT} is {count:?}: it is a number of sockets, at most {MAX}"
            ))),
        }
    }

    fn names(&self, count: RawFd) -> Result<Vec<&str>, BadSetting> {
        let Some(text) = &self.names else {
            return Ok((0..count).map(|_| "unknown").collect());
        };
        let names: Vec<&str> = text.split(':').collect();
        if usize::try_from(count).is_ok_and(|count| count == names.len()) {
            return Ok(names);
        }
        Err(BadSetting(format!(
            "{NAMES} is {text:?}: {COUNT} passes {count} sockets, so it needs as many names, separated by colons"
        )))
    }
}

impl PassedSocket {
    pub(crate) fn add_to(self, tcp: &mut Vec<TcpListener>, unix: &mut Vec<UnixSocket>) {
        match self {
            Self::Tcp(listener) => tcp.push(listener),
            Self::Unix(listener) => unix.push(listener),
        }
    }

    /// # Errors
    /// Why the file descriptor is no listener for streams.
    fn new(fd: RawFd) -> Result<Self, String> {
        let socket = adopt(fd).map_err(|error| error.to_string())?;
        let kind = sockopt::socket_type(&socket).map_err(|_| "it is no socket".to_owned())?;
        if kind != SocketType::STREAM {
            return Err("it is no socket for streams".to_owned());
        }
        if !sockopt::socket_acceptconn(&socket).is_ok_and(|listens| listens) {
            return Err("it is a connection, not a listener".to_owned());
        }
        let family = getsockname(&socket).map(|address| address.address_family());
        match family.map_err(|error| error.to_string())? {
            AddressFamily::INET | AddressFamily::INET6 => Ok(Self::Tcp(socket.into())),
            AddressFamily::UNIX => UnixSocket::passed(UnixListener::from(socket))
                .map(Self::Unix)
                .map_err(|error| error.to_string()),
            _ => Err("it is neither a TCP nor a Unix socket".to_owned()),
        }
    }
}

/// Takes the ownership of a file descriptor, which processes that this one starts do not inherit.
fn adopt(fd: RawFd) -> io::Result<OwnedFd> {
    #[allow(unsafe_code, reason = "the environment has numbers alone")]
    // SAFETY: it is open once its flags could be set. The parent process passes it to this one, which has not opened
    // a file itself, as `PassedSockets::take` requires, so that nothing else owns it.
    unsafe {
        fcntl_setfd(BorrowedFd::borrow_raw(fd), FdFlags::CLOEXEC)?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}
