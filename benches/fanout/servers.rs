//! Servers as processes of their own, and what they use by `/proc`.

mod durable_streams;
mod nchan;
mod process;

use std::{
    net::{SocketAddr, TcpListener},
    sync::OnceLock,
};

pub use self::process::Server;
use crate::{publisher, streams};

/// The kinds of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Yardstick,
    Ours,
    /// Ours without the direct connection path.
    NoDirect,
    /// Ours with sends in batches.
    IoUring,
    /// Ours with streams that are compressed, also short events.
    Compressed,
    Axum,
    Nchan,
    /// The server of the crate `durable-streams`.
    DurableStreams,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Yardstick => "the yardstick",
            Self::Ours => "ours",
            Self::NoDirect => "ours, --no-direct",
            Self::IoUring => "ours, --io-uring",
            Self::Compressed => "ours, compressed",
            Self::Axum => "axum",
            Self::Nchan => "nchan",
            Self::DurableStreams => "durable-streams",
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
            if durable_streams::is_installed() {
                others.push(Self::DurableStreams);
            } else {
                eprintln!("durable-streams is left out: cargo install durable-streams");
            }
            for (kind, flag) in [
                (Self::NoDirect, "--no-direct"),
                (Self::IoUring, "--io-uring"),
                (Self::Compressed, "--compress"),
            ] {
                if process::ours_has_flag(flag) {
                    others.push(kind);
                }
            }
            others
        })
    }

    /// Blocks that a stream begins with, before any event.
    pub fn opening_blocks(self) -> usize {
        match self {
            Self::Yardstick | Self::Axum | Self::DurableStreams => 0,
            Self::Ours | Self::NoDirect | Self::IoUring | Self::Nchan => 1,
            // The time to reconnect has one of its own.
            Self::Compressed => 2,
        }
    }

    /// Whether connected subscribers receive every event, however slow the machine is.
    pub fn loses_nothing(self) -> bool {
        !matches!(self, Self::Axum | Self::Nchan)
    }

    pub fn start(self) -> Server {
        match self {
            Self::Yardstick => Server::of_benchmark(&["yardstick"]),
            Self::Axum => Server::of_benchmark(&["axum"]),
            Self::Ours => Server::ours(&[]),
            Self::NoDirect => Server::ours(&["--no-direct"]),
            Self::IoUring => Server::ours(&["--io-uring"]),
            // A ping would end as an event does.
            Self::Compressed => Server::ours(&["--compress", "always", "--ping-interval", "10m"]),
            Self::Nchan => nchan::start(),
            Self::DurableStreams => durable_streams::start(),
        }
    }

    /// The request that publishes a small event to the topic or stream `bench`.
    pub fn publish_request(self) -> String {
        match self {
            Self::DurableStreams => durable_streams::append_request(),
            _ => publisher::small("bench"),
        }
    }

    /// The request for what is published by the other.
    pub fn subscribe_request(self) -> String {
        match self {
            Self::DurableStreams => durable_streams::subscribe_request(),
            Self::Compressed => streams::request("bench", "Accept-Encoding: gzip\r\n"),
            _ => streams::request("bench", ""),
        }
    }

    /// What ends each event, one or two bytes.
    pub fn event_end(self) -> &'static [u8] {
        match self {
            Self::DurableStreams => durable_streams::EVENT_END,
            // Of the flush.
            Self::Compressed => &[0xFF, 0xFF],
            _ => b"\n\n",
        }
    }
}

/// For servers that do not print the port that the system chose.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}
