//! Listening on a Unix socket, for proxies and programs on this machine that share a group with the server.

use std::{
    fs,
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener, TcpStream},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
        linux::net::SocketAddrExt as _,
        unix::{
            fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
};

/// The owner and the group may connect.
const MODE: u32 = 0o660;

/// A listener and, if this process has made it, its file, which is removed when this is dropped.
#[derive(Debug)]
pub struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
    made_inode: Option<u64>,
}

impl UnixSocket {
    /// Binds a socket. One that no process listens on any more, as after a crash, is replaced.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(io::Error::new(
                    ErrorKind::AlreadyExists,
                    "the file exists and is not a socket",
                ));
            }
            Ok(_) if UnixStream::connect(path).is_ok() => return Err(ErrorKind::AddrInUse.into()),
            Ok(_) => fs::remove_file(path)?,
            Err(_) => {}
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
        let inode = fs::symlink_metadata(path)?.ino();
        Ok(Self {
            listener,
            path: path.to_owned(),
            made_inode: Some(inode),
        })
    }

    /// A socket that another process has bound, and whose file is left to it.
    pub(crate) fn passed(listener: UnixListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let abstract_name = address.as_abstract_name();
        let abstract_name =
            abstract_name.map(|name| PathBuf::from(format!("@{}", String::from_utf8_lossy(name))));
        let path = address.as_pathname().map(Path::to_owned);
        Ok(Self {
            listener,
            path: path.or(abstract_name).unwrap_or_default(),
            made_inode: None,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn listener(&self) -> io::Result<Listener> {
        self.listener.try_clone().map(Listener::Unix)
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        // Another server may have replaced the file.
        let found = fs::symlink_metadata(&self.path).map(|found| found.ino());
        if self.made_inode.is_some() && found.ok() == self.made_inode {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A listener of either kind.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(listener) => listener.try_clone().map(Self::Tcp),
            Self::Unix(listener) => listener.try_clone().map(Self::Unix),
        }
    }

    pub(crate) fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.set_nonblocking(true),
            Self::Unix(listener) => listener.set_nonblocking(true),
        }
    }

    /// The address of a listener that has one.
    pub(crate) fn address(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Some),
            Self::Unix(_) => Ok(None),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}

/// A listener that the runtime polls.
#[derive(Debug)]
pub(crate) enum Watched {
    Tcp(mio::net::TcpListener),
    Unix(mio::net::UnixListener),
}

impl Watched {
    /// Accepts a connection, with the address of the client if it has one. A connection of a Unix socket is
    /// returned as a TCP stream: the operations that are used exist for both, and errors about missing options
    /// are ignored.
    pub(crate) fn accept(&self) -> io::Result<(TcpStream, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => listener.accept().map(|(io, peer)| (io.into(), Some(peer))),
            Self::Unix(listener) => {
                let (io, _) = listener.accept()?;
                Ok((OwnedFd::from(io).into(), None))
            }
        }
    }
}

impl From<Listener> for Watched {
    fn from(listener: Listener) -> Self {
        match listener {
            Listener::Tcp(listener) => Self::Tcp(mio::net::TcpListener::from_std(listener)),
            Listener::Unix(listener) => Self::Unix(mio::net::UnixListener::from_std(listener)),
        }
    }
}

impl AsRawFd for Watched {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Tcp(listener) => listener.as_raw_fd(),
            Self::Unix(listener) => listener.as_raw_fd(),
        }
    }
}
