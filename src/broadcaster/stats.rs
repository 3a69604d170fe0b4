//! What a broadcaster counts.

use crate::stats::{Count, Latency, StripedCount};

/// Why a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// The client went away.
    Gone,
    /// Its socket took no byte for the stall timeout.
    Stalled,
    /// The server is going away.
    Drained,
    /// It was refused: a limit was reached, or the server was draining.
    Refused,
    /// Its grant expired or was revoked, or its selector's deadline was over.
    GrantEnded,
    /// An operator ended it.
    Disconnected,
    /// All of its topics were finished.
    Finished,
}

/// Counters of one broadcaster since its start.
#[derive(Debug, Default)]
pub struct Stats {
    /// Subscriptions that are open now.
    pub subscribers: Count,
    /// Subscriptions that were opened.
    pub subscribed: Count,
    pub(crate) ended: [Count; 7],
    /// Subscriptions that are behind now: a walk found them not polled since the one before.
    pub behind: Count,
    /// Events of publishes that succeeded, repeats included.
    pub published: Count,
    /// Events that subscriptions yielded, live and from history.
    pub delivered: StripedCount,
    /// Bytes that encoded streams yielded.
    pub bytes_sent: StripedCount,
    /// Events of `delivered` that were read from history.
    pub replayed: Count,
    /// Gaps that streams were sent.
    pub gaps: Count,
    /// From the call of publish to its return, of those that succeeded.
    pub publish_latency: Latency,
    /// From an event's append to the last sender of a shard that it was offered to.
    pub fan_out_latency: Latency,
}

impl Stats {
    pub(crate) fn count_end(&self, ended: Ended) {
        self.ended[ended as usize].add(1);
    }

    /// How many streams have ended for this reason.
    #[must_use]
    pub fn ended(&self, ended: Ended) -> u64 {
        self.ended[ended as usize].get()
    }
}
