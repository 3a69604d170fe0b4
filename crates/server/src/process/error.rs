//! Why a server does not start, or stops.

use std::{fmt, io, net::SocketAddr, path::PathBuf};

use crate::config::BadSetting;
use sse_broadcaster::broadcaster::StartError;

/// Why the server did not start or stopped.
#[derive(Debug)]
pub enum ServeError {
    Setting(BadSetting),
    Listen(SocketAddr, io::Error),
    ListenUnix(PathBuf, io::Error),
    /// History cannot be opened: what is wrong, and what can be done.
    History(String),
    Start(StartError),
    Run(io::Error),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting(bad) => bad.fmt(f),
            Self::Listen(address, error) if error.kind() == io::ErrorKind::AddrInUse => write!(
                f,
                "{address} is in use by another program; choose another address with --listen"
            ),
            Self::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::ListenUnix(path, error) if error.kind() == io::ErrorKind::AddrInUse => write!(
                f,
                "{} is in use by another program; choose another path",
                path.display()
            ),
            Self::ListenUnix(path, error) => {
                write!(f, "cannot listen on unix:{}: {error}", path.display())
            }
            Self::Start(error @ StartError::WindowTooSmall { .. }) => write!(
                f,
                "{error}; raise --history-events or --history-bytes (and --window-events or --window-bytes of a log), or lower \
                 --max-event-bytes"
            ),
            Self::History(why) => f.write_str(why),
            Self::Start(error) => error.fmt(f),
            Self::Run(error) => write!(f, "the server stopped: {error}"),
        }
    }
}

impl std::error::Error for ServeError {}
