//! Why a server does not start, or stops.

use std::{io, net::SocketAddr, path::PathBuf};

use crate::config::{BadSetting, with_sources};
use sse_broadcaster::broadcaster::StartError;

/// Why the server did not start, or stopped. The message does not include that of the source: see
/// [`with_sources`](Self::with_sources).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// A setting cannot be used.
    #[error(transparent)]
    Setting(#[from] BadSetting),
    /// Another program listens on this address, or the server itself by another setting.
    #[error(
        "{0} is in use by another program, or named by two of --listen, --admin-listen and --redirect-http; choose \
         another address"
    )]
    AddressInUse(SocketAddr),
    /// Another program listens on this Unix socket.
    #[error("{} is in use by another program; choose another path", .0.display())]
    SocketInUse(PathBuf),
    /// The system does not let the server listen on this address.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address, as it was resolved.
        address: SocketAddr,
        /// What the system reports.
        source: io::Error,
    },
    /// The system does not let the server listen on this Unix socket.
    #[error("cannot listen on unix:{}", path.display())]
    ListenUnix {
        /// The path of the socket.
        path: PathBuf,
        /// What the system reports.
        source: io::Error,
    },
    /// The log on disk cannot be opened.
    #[error(transparent)]
    History(#[from] sse_broadcaster_disk::OpenError),
    /// Memory keeps too little of history for the largest event.
    #[error(
        "{0}; raise --history-events or --history-bytes (and --window-events or --window-bytes of a \
         log), or lower --max-event-bytes"
    )]
    WindowTooSmall(StartError),
    /// The system does not give random numbers.
    #[error("the system gives no random numbers")]
    Random(#[source] io::Error),
    /// The broadcaster could not be started.
    #[error(transparent)]
    Start(StartError),
    /// The workers could not be started.
    #[error("cannot start the workers")]
    Run(#[source] io::Error),
}

impl ServeError {
    pub(crate) fn listen(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::AddressInUse(address),
            _ => Self::Listen { address, source },
        }
    }

    pub(crate) fn listen_unix(path: PathBuf, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::SocketInUse(path),
            _ => Self::ListenUnix { path, source },
        }
    }

    /// The message with those of its sources, in one line.
    #[must_use]
    pub fn with_sources(&self) -> String {
        if let Self::History(error) = self {
            // Complete in itself: it names its source where that helps.
            return error.to_string();
        }
        with_sources(self)
    }
}

impl From<StartError> for ServeError {
    fn from(error: StartError) -> Self {
        if matches!(error, StartError::WindowTooSmall { .. }) {
            Self::WindowTooSmall(error)
        } else {
            Self::Start(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn an_error_keeps_its_source_and_is_reported_with_it() {
        let address = SocketAddr::from(([192, 0, 2, 1], 80));
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let error = ServeError::listen(address, denied());
        assert_eq!(error.to_string(), "cannot listen on 192.0.2.1:80");
        assert_eq!(
            error.with_sources(),
            format!("cannot listen on 192.0.2.1:80: {}", denied())
        );
        let in_use = ServeError::listen(address, io::ErrorKind::AddrInUse.into());
        assert!(in_use.source().is_none());
        assert!(in_use.with_sources().contains("--listen"));
    }
}
