//! Mercure's protocol, versions 0.x and 1.0 at once, for clients that were made for a Mercure hub.
//!
//! The version of a token (its header `typ`) and the names of parameters decide which rules apply to a request.
//! Events are those of the broadcaster: what is published here is read on its other routes, and the other way round,
//! in one order.
//!
//! # Layout
//! - [`Hub`], [`HubOptions`], [`HubKeys`]: the settings of a hub, and whose tokens it trusts.
//! - [`respond`], [`open_stream_now`]: the routes.
//! - `subscribe`, `matchers`, `cursor`: from a request to a stream; `encoder` and `id` write its events.
//! - `subscriptions`: who subscribes to what, on all nodes, as events and as a list.
//! - `publish`, `form`: from a form to an event.
//! - `credentials`, `failure`: tokens, and errors in the form of their version.
//!
//! The crate depends on no web framework: requests and responses are those of `sse-broadcaster-http`.

#![deny(missing_docs)]

mod address;
mod content_type;
mod cors;
mod credentials;
mod cursor;
mod encoder;
mod failure;
mod form;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod hub;
mod id;
mod keys;
mod matchers;
mod metadata;
mod paths;
mod publish;
mod reserved;
mod response;
mod routes;
mod subscribe;
mod subscriptions;

pub use hub::{Hub, HubOptions};
pub use id::decode as event_id;
pub use keys::HubKeys;
pub use paths::{HUB_PATH, METADATA_PATH};
pub use routes::{open_stream_now, respond};
pub use sse_broadcaster_presence::{MemorySubscriptions, SubscriptionStore};

/// The version of the protocol whose rules apply to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    /// 0.x: any token but an access token; errors are text.
    Zero,
    /// 1.0: access tokens; errors have a challenge.
    One,
}
