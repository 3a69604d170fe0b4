//! What the crates of this workspace share beside the public API. Only they may use it: it changes with any
//! release.

pub use crate::live_node::{LiveNode, PUBLISHES_FOR, Reported, Written};
pub use crate::publish::{Failures, MAX_AT_ONCE, RETRY_AFTER, publish_announcements};
