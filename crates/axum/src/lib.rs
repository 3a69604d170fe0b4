//! A broadcaster inside an axum application: [`Routes`] to nest into a router, or a [`StreamResponse`] from a
//! handler.
//!
//! # What the application must do
//! - Set `TCP_NODELAY` on its sockets (`axum::serve::ListenerExt::tap_io`). Otherwise small events wait for the one
//!   before to be acknowledged.
//! - At a shutdown call [`Broadcaster::drain`] first. Otherwise a graceful shutdown waits for open streams.
//!
//! # Limits
//! - Layers that compress do not compress streams: they have `content-encoding: identity`.
//! - hyper keeps two buffers for each connection. The program `sse-broadcaster` needs less memory for a stream.
//!
//! [`Broadcaster::drain`]: sse_broadcaster::Broadcaster::drain

#![deny(missing_docs)]

mod head;
mod hub;
mod problem;
mod respond;
mod response;
mod routes;

pub use hub::HubRoutes;
pub use problem::Problem;
pub use respond::{StreamResponse, client, may_publish, subscribe, subscribe_to_signals};
pub use routes::Routes;
pub use sse_broadcaster_http::{
    Access, AppState, Authorization, BasePath, Client, ForwardedHeader, InvalidBasePath,
    InvalidProxy, KeyRing, Permit, PositionKey, Publishers, Refusal, Replaced, SubscribeAccess,
    TrustedProxies, UploadLimits,
};
pub use sse_broadcaster_mercure::{Hub, HubKeys, HubOptions};
