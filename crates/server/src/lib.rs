//! The server: its settings, its commands, and the way of a request through it.
//!
//! # Parts
//! ```text
//! commands   the command line: serving, and the client commands of sse-broadcaster-cli and -bench
//! config     every setting, as a flag and as a variable of the environment
//! process    from the settings to a running server, and to an orderly end
//! http       connections: listeners, workers, routes, WebSockets
//! metrics    GET /metrics
//! ```
//!
//! # The way of a request
//! 1. `http/listen/accept.rs` accepts a connection on one of the worker threads (`http/workers.rs`).
//! 2. `http/router.rs` reads what has come. Where that begins a request for a stream, `http/direct` reads
//!    the rest of its head, asks `sse-broadcaster-actix` whether the stream is granted, and from then on writes
//!    what the `Subscription` yields to the socket.
//! 3. Any other connection goes to actix's dispatcher, whose IO is `http/dispatcher/connection.rs`: it hands
//!    over one request at a time.
//! 4. The dispatcher calls the routes: `http/routes.rs` lists them. Publishing, streams and signals are those of
//!    `sse-broadcaster-actix`; `/ws` is `http/ws`; health, metrics and the page are in `http/routes`.
//! 5. `http/routes/refusals.rs` counts what was refused, and `http/routes/response.rs` tells the connection when
//!    the response has been made.

#![deny(missing_docs)]

mod commands;
#[allow(
    rustdoc::bare_urls,
    rustdoc::invalid_html_tags,
    reason = "the comments are the text of --help"
)]
mod config;
mod http;
mod metrics;
mod process;

pub use commands::{Cli, parse};
