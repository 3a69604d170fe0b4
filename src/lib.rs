//! A server-sent-events broadcaster: publish once, and every subscriber gets it exactly once, in order, even
//! across reconnects.
//!
//! ```
//! use futures_util::StreamExt;
//! use sse_broadcaster::{
//!     Broadcaster, Event, Memory, Options, Selector, Start, broadcaster::Item, history::Retention,
//! };
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let history = Memory::new(Retention::new().events(10_000));
//! let broadcaster = Broadcaster::start(history, Options::default())?;
//!
//! let first = broadcaster.publish_one(Event::builder("one").topic("news").build()?).await?;
//! broadcaster.publish_one(Event::builder("two").topic("news").build()?).await?;
//!
//! // A client that comes back with the id of the first event is sent the second one.
//! let selector = Selector::topics(&["news"])?;
//! let start = Start::After(first.to_string());
//! let mut subscription = broadcaster.subscribe(selector, start)?;
//! while let Some(item) = subscription.next().await {
//!     if let Item::Events(events) = item {
//!         let found = events.iter().next().ok_or("at least one event")?;
//!         assert_eq!(found.event().data(), "two");
//!         break;
//!     }
//! }
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # Layout
//! - [`event`]: what is published, and which events a subscription gets. Its types can only be built valid.
//! - [`history`]: the log of events, behind one trait, and the log in memory.
//! - [`broadcaster`]: publish, subscribe, ping; owns the shards, follows the history.
//! - [`encoding`]: encoders, one for each format; each event is encoded at most once by each of them.
//! - [`sse`]: the wire format: fields and blocks, notices of a stream, the sender end of a stream.
//!
//! Logs on disk and in Redis, signals, routes for actix-web and axum, and the server are crates of their own,
//! which depend on this one.
//!
//! # An event's path
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
mod shown;
pub mod sse;
pub mod stats;
mod sync;

pub use broadcaster::{Broadcaster, Options, Start, Subscription};
pub use encoding::Format;
pub use event::{Event, EventId, Selector, Topic};
pub use history::Memory;

/// Compiles and runs the examples of the manual.
#[cfg(doctest)]
#[doc = include_str!("../docs/library.md")]
mod manual {}
