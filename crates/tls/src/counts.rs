//! How handshakes ended.

use std::sync::atomic::{AtomicU64, Ordering};

/// How handshakes ended.
#[derive(Debug, Default)]
pub struct HandshakeCounts([AtomicU64; Outcome::ALL.len()]);

/// How a handshake ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// With new keys.
    Full,
    /// With those of an earlier connection of the client.
    Resumed,
    /// The client and the server did not agree, or the client disconnected.
    Failed,
    /// The client took too long.
    TimedOut,
    /// The client does not speak TLS.
    NotTls,
    /// With an authority, which has checked a name and wants nothing else.
    Challenge,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Full,
        Self::Resumed,
        Self::Failed,
        Self::TimedOut,
        Self::NotTls,
        Self::Challenge,
    ];

    /// As a label of a metric.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Resumed => "resumed",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::NotTls => "not_tls",
            Self::Challenge => "challenge",
        }
    }
}

impl HandshakeCounts {
    /// Counts one more.
    pub fn add(&self, outcome: Outcome) {
        self.0[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many ended so.
    #[must_use]
    pub fn get(&self, outcome: Outcome) -> u64 {
        self.0[outcome as usize].load(Ordering::Relaxed)
    }
}
