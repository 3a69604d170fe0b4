//! Presence of sse-broadcaster: who is on which topic, by user and by connection, on one node or on many.
//!
//! # Layout
//! - [`Presence`]: the handle. A stream holds a [`Connection`] of it for as long as it is open.
//! - [`PresenceOptions`]: which topics have presence, and how long a leave waits.
//! - [`Store`]: the members of all nodes, behind one trait; [`MemoryStore`] is that of a single node.
//! - [`Webhooks`]: the events that an endpoint of the application receives.
//! - [`SubscriptionStore`]: the subscriptions of a hub, on one node or on many, beside presence and by the same rules.
//!
//! # One change's way
//! [`Presence::connect`] or the drop of a [`Connection`] → the connections of this node (`local`) → a task
//! (`writer`) → [`Store::write`], which finds out in one atomic step who joined or left, and queues that →
//! [`Store::pending`] → an event on the topic [`events_topic`] → [`Store::published`].
//!
//! What is written to the store is how many connections a user has on a node, not that one came or went. So a write
//! whose outcome is unknown is repeated. What is queued is published in order and with an idempotency key, so that two
//! nodes that publish the same queue at the same time, or one after the end of the other, publish each change once.
//!
//! # Cancellation
//! Reads may be dropped at any time. The task ends when the last [`Presence`] is dropped; connections may outlive it.

#![deny(missing_docs)]

mod announcement;
#[doc(hidden)]
pub mod internal;
mod live_node;
mod local;
mod memory;
mod options;
mod publish;
mod service;
mod signal;
mod store;
mod subscriptions;
mod webhook;
mod writer;

pub use announcement::{EVENTS_TOPIC_PREFIX, MAX_TOPIC_BYTES, events_topic, topic_of_events};
pub use memory::MemoryStore;
pub use options::PresenceOptions;
pub use service::{Connection, Presence};
pub use signal::{signal_name, topic_of_signal};
pub use store::{Beat, Change, Counts, Member, Members, Pending, PendingKind, Store};
pub use subscriptions::{
    Announcement, HubSubscription, MAX_WAITING_ANNOUNCEMENTS, MemorySubscriptions,
    SubscriptionChange, SubscriptionStore,
};
pub use webhook::{InvalidSecret, WebhookSecret, WebhookStats, Webhooks};

/// Compiles the examples of the manual.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/presence.md")]
mod manual {}
