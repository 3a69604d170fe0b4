//! A server-sent-events broadcaster: publish once, and every subscriber gets it exactly once, in order, even
//! across reconnects.
//!
//! # Layout
//! - [`event`]: what is published and asked for; can only be built valid.
//! - [`sse`]: the wire format: fields and blocks, what a stream says about itself, the sender end of a stream.
//! - [`encoding`]: encoders, one for each format; each event is encoded at most once by each of them.
//! - [`history`]: the log of events, behind one trait, and the log in memory.
//! - [`broadcaster`]: publish, subscribe, ping; owns the shards, follows the history.
//!
//! Logs on disk and in Redis, signals, routes for actix-web and axum, and the server are crates of their own,
//! which depend on this one.
//!
//! # One event's way
//! [`Broadcaster::publish`] → [`history::History::append`] gives its id → the history's window →
//! a shard's walk wakes the senders that match → [`Subscription`] yields the event → an
//! [`Encoder`](encoding::Encoder) → a socket.

#![deny(missing_docs)]

pub mod broadcaster;
mod clock;
pub mod encoding;
pub mod event;
pub mod history;
#[doc(hidden)]
pub mod internal;
pub mod shown;
pub mod sse;
pub mod stats;
mod sync;

pub use broadcaster::{Broadcaster, Options, Start, Subscription};
pub use encoding::Format;
pub use event::{Event, EventId, Selector, Topic};
pub use history::Memory;
