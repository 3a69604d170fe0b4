//! What a broadcaster counts.

use crate::stats::{Count, Latency};

/// Why a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// The client went away, or its grant was over.
    Gone,
    /// Its socket took no byte for the stall timeout.
    Stalled,
    /// The server is going away.
    Drained,
    /// It was sent away at the door: a limit was reached, or the server was draining.
    Refused,
}

/// Counters of one broadcaster since its start.
#[derive(Debug, Default)]
pub struct Stats {
    pub subscribers: Count,
    pub subscribed: Count,
    pub(crate) ended: [Count; 4],
    pub behind: Count,
    pub published: Count,
    pub delivered: Count,
    pub bytes_sent: Count,
    /// Delivered from history, not live.
    pub replayed: Count,
    pub gaps: Count,
    /// From the call of publish to its answer.
    pub publish_latency: Latency,
    /// From an event's append to the last sender of a shard that it was offered to.
    pub fan_out_latency: Latency,
}

impl Stats {
    pub(crate) fn count_end(&self, ended: Ended) {
        self.ended[ended as usize].add(1);
    }

    #[must_use]
    pub fn ended(&self, ended: Ended) -> u64 {
        self.ended[ended as usize].get()
    }
}
