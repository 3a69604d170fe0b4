//! A broadcaster inside an actix-web application: [`Routes`] to mount, or a [`StreamResponse`] from a handler.
//!
//! # What the host must know
//! - `HttpServer::h1_allow_half_closed(false)`, or a client that closes is noticed at the next ping only;
//!   `tcp_nodelay(true)`, or small events wait.
//! - A `Compress` middleware leaves streams alone: they have `content-encoding: identity`.
//! - At a shutdown call [`Broadcaster::drain`] first, or actix waits for open streams.
//! - actix's own connections buffer what a client sends behind an open stream, and look at it again and
//!   again: a client that does so costs a core. The server has connections of its own against that.

#![deny(missing_docs)]

mod error;
mod head;
mod headers;
#[doc(hidden)]
pub mod internal;
mod link;
mod pieces;
mod respond;
mod response;
mod routes;
mod stream_body;

pub use error::Problem;
pub use respond::{StreamResponse, may_publish, routes, subscribe, subscribe_to_signals};
pub use routes::Routes;
pub use sse_broadcaster_http::{
    Access, AppState, KeyRing, Permit, Publishers, Refusal, Replaced, UploadLimits,
};

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}
