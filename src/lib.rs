//! A server-sent-events broadcaster: publish once, and every subscriber gets it, once, in order, also
//! after a reconnect.
//!
//! # Layout
//! - [`event`]: what is published and asked for; can only be built valid.
//! - [`sse`]: the wire: frames, encoded at most once per form, and the sender end of a stream.
//! - [`history`]: the log of events, behind one seam.
//! - [`broadcaster`]: publish, subscribe, ping; owns the shards, follows the history.
//! - [`signals`]: JSON documents kept in sync with every subscriber, by patches.
//!
//! # One event's way
//! [`Broadcaster::publish`] → [`history::History::append`] gives its id → the history's window →
//! a shard's walk wakes the senders that match → [`Subscription`] yields the frame → a socket.

pub mod broadcaster;
pub mod event;
pub mod history;
pub mod sse;
pub mod stats;

#[cfg(feature = "actix")]
pub mod actix;
#[cfg(any(feature = "actix", feature = "axum"))]
mod answer;
#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "server")]
#[allow(
    rustdoc::bare_urls,
    rustdoc::invalid_html_tags,
    reason = "the comments are the text of --help"
)]
pub mod config;
#[cfg(any(feature = "actix", feature = "axum"))]
mod form;
#[cfg(feature = "actix")]
pub mod http;
#[cfg(feature = "server")]
mod metrics;
#[cfg(feature = "server")]
mod open_files;
#[cfg(feature = "signals")]
mod shown;
#[cfg(feature = "signals")]
pub mod signals;
mod sync;
#[cfg(feature = "server")]
mod terminal;
#[cfg(any(feature = "actix", feature = "axum"))]
mod wish;

pub use broadcaster::{Broadcaster, Options, Start, Subscription};
pub use event::{Event, EventId, Form, Selector, Topic};
pub use history::Memory;
#[cfg(feature = "signals")]
pub use signals::Signal;
