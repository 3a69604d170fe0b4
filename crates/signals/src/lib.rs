//! Signals: JSON documents that are kept in sync with every subscriber, first whole, then by patches.
//!
//! A document is a retained value of the history. It is written in one step with the event that publishes
//! the change, and only if no other program changed it meanwhile. So writers on several threads, and on
//! several nodes of one history, keep one order and lose no update. A document is not subject to retention,
//! and outlives a restart where the history does.
//!
//! - [`Signal`] is one signal as a value of a type of your own; [`Signals`] reads and writes documents by
//!   name.
//! - [`Signals::subscribe`] is a stream of several signals in one of the [`SignalFormat`]s.
//! - [`Patch`] and [`Condition`] are what HTTP's `PATCH`, `If-Match` and `If-None-Match` ask for.
//!
//! # What a subscriber is sent
//! After every connect, resumed or not, and after every gap: each document whole, as a patch without an id.
//! Then changes in order, each with its id. So no change is ever applied to a document that lacks the one
//! before it. The topics of signals begin with `$`, to which no client can publish.
//!
//! # Bounds
//! A document has at most [`MAX_DOCUMENT_BYTES`] bytes of compact JSON, and [`MAX_DEPTH`] levels; a patch has
//! at most [`MAX_OPERATIONS`] operations, and a stream [`MAX_NAMES`] signals.
//!
//! # Numbers
//! Integers are kept exactly up to 64 bits, and rejected beyond. Other numbers are kept as a double.
//!
//! # Cancellation
//! A write whose future is dropped may or may not have been done: read the signal to know. Reads may be
//! dropped at any time.

#![deny(missing_docs)]

mod change;
mod client_state;
mod condition;
mod diff;
mod document;
mod error;
mod format;
mod name;
mod numbers;
mod patch;
mod removed;
mod signal;
mod single_flight;
mod snapshot;
mod store;
mod subscribe;
mod update;

pub use client_state::ClientState;
pub use condition::{Condition, Versions};
pub use document::{Document, MAX_DEPTH, MAX_DOCUMENT_BYTES, parse};
pub use error::SignalError;
pub use format::SignalFormat;
pub use name::{MAX_SIGNAL_NAME_BYTES, SignalName, TOPIC_PREFIX as SIGNAL_TOPIC_PREFIX};
pub use patch::{MAX_OPERATIONS, Patch};
pub use signal::Signal;
pub use store::{Signals, Written};
pub use subscribe::MAX_NAMES;

/// Compiles the examples of the manual.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/signals.md")]
mod manual {}
