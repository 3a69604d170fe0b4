//! Servers as processes of their own, and what they use by `/proc`.

mod nchan;
mod process;

use std::sync::OnceLock;

pub use self::process::Server;

/// The kinds of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Yardstick,
    Ours,
    /// Ours without the direct connection path.
    NoDirect,
    Axum,
    Nchan,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Yardstick => "the yardstick",
            Self::Ours => "ours",
            Self::NoDirect => "ours, --no-direct",
            Self::Axum => "axum",
            Self::Nchan => "nchan",
        }
    }

    /// All kinds that can run here other than ours and the yardstick.
    pub fn others() -> &'static [Self] {
        static OTHERS: OnceLock<Vec<Kind>> = OnceLock::new();
        OTHERS.get_or_init(|| {
            let mut others = vec![Self::Axum];
            if nchan::is_installed() {
                others.push(Self::Nchan);
            } else {
                eprintln!("nchan is left out: it needs nginx and libnginx-mod-nchan");
            }
            if process::ours_has_flag("--no-direct") {
                others.push(Self::NoDirect);
            }
            others
        })
    }

    /// Blocks that a stream begins with, before any event.
    pub fn opening_blocks(self) -> usize {
        match self {
            Self::Yardstick | Self::Axum => 0,
            Self::Ours | Self::NoDirect | Self::Nchan => 1,
        }
    }

    /// Whether connected subscribers receive every event, however slow the machine is.
    pub fn loses_nothing(self) -> bool {
        matches!(self, Self::Yardstick | Self::Ours | Self::NoDirect)
    }

    /// Whether it sends pings while nothing is published.
    pub fn pings(self) -> bool {
        matches!(self, Self::Ours | Self::NoDirect)
    }

    pub fn start(self) -> Server {
        match self {
            Self::Yardstick => Server::of_benchmark(&["yardstick"]),
            Self::Axum => Server::of_benchmark(&["axum"]),
            Self::Ours => Server::ours(&[]),
            Self::NoDirect => Server::ours(&["--no-direct"]),
            Self::Nchan => nchan::start(),
        }
    }
}
