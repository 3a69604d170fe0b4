//! Access control of sse-broadcaster: who may subscribe to, publish to and see the presence on which topics.
//!
//! # Layout
//! - [`pattern`]: patterns of topics: exact, `*`, URI template, URL pattern; sets and indexes of them.
//! - [`grants`]: what one client may do, and until when.
//!
//! The crate depends on no web framework and knows nothing of the broadcaster: topics are text.

#![deny(missing_docs)]

pub mod grants;
mod intern;
pub mod pattern;

pub use grants::{Grants, GrantsBuilder, Origin};

pub use pattern::{BaseUrl, Pattern, PatternError, PatternSet};
