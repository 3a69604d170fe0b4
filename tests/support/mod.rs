//! What the black-box tests share: the real binary over real sockets, and clients that read what it responds.
//! Nothing here waits but on a condition, and nothing waits for ever.

#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "each test binary uses a part of it"
)]

pub mod certificates;
pub mod clock;
pub mod http2;
mod log;
mod ports;
pub mod postgres;
pub mod redis;
mod requests;
mod response;
mod server;
pub mod shared;
pub mod shim;
pub mod socket;
mod stream;
pub mod terminal;
pub mod tokens;
pub mod tunnel;

use std::time::{Duration, Instant};

pub use self::{
    ports::{free_address, free_port},
    requests::BLOCKED_DRAIN,
    response::Response,
    server::{Server, command, has_encrypted_streams, has_http2, has_ordinary_streams},
    stream::{End, Message, Stream},
};

/// Longer than anything here takes, on the slowest machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The routes of the page, the metrics and the health checks, which an admin address takes over.
pub const ADMIN_PATHS: [&str; 7] = [
    "/",
    "/page.css",
    "/page.js",
    "/page/stream.js",
    "/metrics",
    "/health/live",
    "/health/ready",
];

/// Waits until `condition` holds.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
