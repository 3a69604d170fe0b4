//! What a history counts about itself.

use crate::stats::{Count, Latency};

/// What a history counts about itself; what it does not have stays zero.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// From the beginning of a commit until it is as durable as was promised.
    pub commit_latency: Latency,
    /// How many commits there were.
    pub commits: Count,
    /// Events that were written by these commits.
    pub committed: Count,
    /// Bytes of its files, or of the server that keeps it.
    pub size_bytes: Count,
    /// How often it was unreachable and recovered.
    pub reconnects: Count,
    /// Events that are known to be in the log and are not in the window yet.
    pub tail_lag: Count,
}
