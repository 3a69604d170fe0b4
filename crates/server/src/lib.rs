//! The server: its settings, its commands, and how it serves a request.
//!
//! # Parts
//! ```text
//! commands   the command line: serving, and the client commands of sse-broadcaster-cli and -bench
//! config     every setting, as a flag, as a variable of the environment, and in a file
//! process    starts the server from its settings, and ends it
//! http       connections: listeners, workers, routes, WebSockets
//! metrics    GET /metrics
//! traces     OpenTelemetry's spans of publishes and deliveries
//! ```
//!
//! # How a request is served
//! 1. `http/listen/accept.rs` accepts a connection on one of the worker threads (`http/workers.rs`).
//! 2. `http/router.rs` reads the first bytes. If they begin a request for a stream, `http/direct` reads the rest of its
//!    head, opens the stream by `sse-broadcaster-http`, and then writes what the `Subscription` yields to the socket.
//! 3. Any other connection goes to actix's dispatcher, whose IO is `http/dispatcher/connection.rs`. That hands over one
//!    request at a time.
//! 4. The dispatcher calls the routes, which `http/routes.rs` lists. Publishing, streams and signals are those of
//!    `sse-broadcaster-actix`; `/ws` is `http/ws`; health, metrics and the page are in `http/routes`.
//! 5. `http/routes/refusals.rs` counts refusals, and `http/routes/response.rs` marks the connection as busy until the
//!    response is complete.

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
mod traces;

pub use commands::{Cli, parse};
