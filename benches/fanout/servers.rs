//! Servers as processes of their own, and what they use by `/proc`.

mod durable_streams;
mod encrypted;
mod mercure;
mod nchan;
mod process;

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, OnceLock},
};

use rustls::ClientConfig;

pub use self::process::Server;
use crate::{certificate, publisher, streams};

/// The kinds of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Yardstick,
    /// The yardstick with the connections of rustls.
    YardstickTls,
    Ours,
    OursTls,
    /// Ours without the direct connection path.
    NoDirect,
    /// Ours with sends in batches.
    IoUring,
    /// Ours with streams that are compressed, also short events.
    Compressed,
    Axum,
    Nchan,
    NchanTls,
    /// The server of the crate `durable-streams`.
    DurableStreams,
    /// The hub of Mercure.
    Mercure,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Yardstick => "the yardstick",
            Self::YardstickTls => "the yardstick, TLS",
            Self::Ours => "ours",
            Self::OursTls => "ours, TLS",
            Self::NoDirect => "ours, --no-direct",
            Self::IoUring => "ours, --io-uring",
            Self::Compressed => "ours, compressed",
            Self::Axum => "axum",
            Self::Nchan => "nchan",
            Self::NchanTls => "nchan, TLS",
            Self::DurableStreams => "durable-streams",
            Self::Mercure => "Mercure",
        }
    }

    /// All kinds that can run here other than ours and the yardstick, of those that do not encrypt.
    pub fn others() -> &'static [Self] {
        static OTHERS: OnceLock<Vec<Kind>> = OnceLock::new();
        OTHERS.get_or_init(|| {
            let mut others = vec![Self::Axum];
            if Self::nchan_is_installed() {
                others.push(Self::Nchan);
            }
            if durable_streams::is_installed() {
                others.push(Self::DurableStreams);
            } else {
                eprintln!("durable-streams is left out: cargo install durable-streams");
            }
            if mercure::is_installed() {
                others.push(Self::Mercure);
            } else {
                eprintln!("Mercure is left out: there is no program `mercure`");
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

    pub fn nchan_is_installed() -> bool {
        let is_installed = nchan::is_installed();
        if !is_installed {
            eprintln!("nchan is left out: it needs nginx and libnginx-mod-nchan");
        }
        is_installed
    }

    /// How its clients encrypt, if they do.
    pub fn tls(self) -> Option<&'static Arc<ClientConfig>> {
        let is_encrypted = matches!(self, Self::YardstickTls | Self::OursTls | Self::NchanTls);
        is_encrypted.then(certificate::client)
    }

    /// Blocks that a stream begins with, before any event.
    pub fn opening_blocks(self) -> usize {
        match self {
            Self::Yardstick
            | Self::YardstickTls
            | Self::Axum
            | Self::DurableStreams
            | Self::Mercure => 0,
            Self::Ours
            | Self::OursTls
            | Self::NoDirect
            | Self::IoUring
            | Self::Nchan
            | Self::NchanTls => 1,
            // The time to reconnect has one of its own.
            Self::Compressed => 2,
        }
    }

    /// Whether connected subscribers receive every event, however slow the machine is.
    pub fn loses_nothing(self) -> bool {
        !matches!(
            self,
            Self::Axum | Self::Nchan | Self::NchanTls | Self::Mercure
        )
    }

    pub fn start(self) -> Server {
        match self {
            Self::Yardstick => Server::of_benchmark(&["yardstick"]),
            Self::YardstickTls => encrypted::yardstick(),
            Self::Axum => Server::of_benchmark(&["axum"]),
            Self::Ours => Server::ours(&[]),
            Self::OursTls => encrypted::ours(),
            Self::NoDirect => Server::ours(&["--no-direct"]),
            Self::IoUring => Server::ours(&["--io-uring"]),
            // A ping would end as an event does.
            Self::Compressed => Server::ours(&["--compress", "always", "--ping-interval", "10m"]),
            Self::Nchan => nchan::start(),
            Self::NchanTls => nchan::start_encrypted(),
            Self::DurableStreams => durable_streams::start(),
            Self::Mercure => mercure::start(),
        }
    }

    /// The request that publishes a small event to the topic or stream `bench`.
    pub fn publish_request(self) -> String {
        match self {
            Self::DurableStreams => durable_streams::append_request(),
            Self::Mercure => mercure::publish_request(),
            _ => publisher::small("bench"),
        }
    }

    /// The request for what is published by the other.
    pub fn subscribe_request(self) -> String {
        match self {
            Self::DurableStreams => durable_streams::subscribe_request(),
            Self::Mercure => mercure::subscribe_request(),
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
