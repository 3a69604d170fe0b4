//! State kept in sync: JSON documents that every subscriber has whole, and then each change as a patch.
//!
//! A document stands in a retained value of the history, written in one step with the event that
//! publishes the change, and only if no other program changed it meanwhile. So writers on several threads,
//! and on several nodes of one history, keep one order and lose no update, and a document outlives
//! retention and, where history does, restarts.
//!
//! # What a subscriber is sent
//! At every connect, resumed or not, and behind every gap each document whole, as a patch without an
//! id; then changes in order, each with its id. So no change is ever applied to a wrong base. The
//! topics of signals begin with `$`, to which no client can publish.
//!
//! # Numbers
//! Integers are kept to 64 bits, and refused beyond; others are kept as a double has them.

#![deny(missing_docs)]

mod change;
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
mod state;
mod store;
mod update;

pub use condition::{Condition, Versions};
pub use document::parse;
pub use document::{Document, MAX_DEPTH, MAX_DOCUMENT_BYTES};
pub use error::SignalError;
pub use format::SignalFormat;
pub use name::{MAX_SIGNAL_NAME_BYTES, SignalName};
pub use patch::{MAX_OPERATIONS, Patch};
pub use signal::Signal;
pub use state::{ClientState, MAX_NAMES};
pub use store::{Signals, Written};
