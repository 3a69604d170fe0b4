//! A broadcaster inside an actix-web application: [`Routes`] to mount, or a [`StreamResponse`] from a handler.
//!
//! # What the application must do
//! - Set `HttpServer::h1_allow_half_closed(false)`. Otherwise a client that disconnects is noticed only at the next
//!   ping.
//! - Set `HttpServer::tcp_nodelay(true)`. Otherwise small events wait for the one before to be acknowledged.
//! - At a shutdown call [`Broadcaster::drain`] first. Otherwise actix waits for open streams.
//!
//! # Limits
//! - The middleware `Compress` does not compress streams: they have `content-encoding: identity`.
//! - The connections of actix buffer what a client sends after the request of an open stream, and parse it again and
//!   again: such a client takes a core. The program `sse-broadcaster` has connections of its own, which discard it.
//!
//! [`Broadcaster::drain`]: sse_broadcaster::Broadcaster::drain

#![deny(missing_docs)]

mod error;
mod head;
mod headers;
mod hub;
#[doc(hidden)]
pub mod internal;
mod link;
mod pieces;
mod respond;
mod response;
mod routes;
mod stream_body;

pub use error::Problem;
pub use hub::HubRoutes;
pub use respond::{StreamResponse, client, may_publish, routes, subscribe, subscribe_to_signals};
pub use routes::Routes;
pub use sse_broadcaster_http::{
    Access, AppState, Authorization, BasePath, Client, ForwardedHeader, InvalidBasePath,
    InvalidProxy, KeyRing, Permit, PositionKey, Publishers, Refusal, Replaced, SubscribeAccess,
    TrustedProxies, UploadLimits,
};
pub use sse_broadcaster_mercure::{Hub, HubKeys, HubOptions};

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}
