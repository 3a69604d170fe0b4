//! A broadcaster inside an axum application: [`Routes`] to nest into a router, or a [`StreamResponse`] from a
//! handler.
//!
//! # What the host must know
//! - `tcp_nodelay(true)` on the listener (`axum::serve::ListenerExt`), or small events wait.
//! - A layer that compresses leaves streams alone: they have `content-encoding: identity`.
//! - At a shutdown call [`Broadcaster::drain`] first: a graceful shutdown waits for open streams.
//! - Streams are served by hyper, which keeps two buffers a connection.
//!
//! [`Broadcaster::drain`]: sse_broadcaster::Broadcaster::drain

#![deny(missing_docs)]

mod head;
mod problem;
mod respond;
mod response;
mod routes;

pub use problem::Problem;
pub use respond::{StreamResponse, may_publish, subscribe, subscribe_to_signals};
pub use routes::Routes;
pub use sse_broadcaster_http::{
    Access, AppState, KeyRing, Permit, Publishers, Refusal, Replaced, UploadLimits,
};
