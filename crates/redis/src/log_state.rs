//! The log as a script that appended to it left it, see `scripts/trim.lua`.

use sse_broadcaster::event::EventId;
use sse_broadcaster_remote::LogBounds;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogState {
    /// The last id before the call.
    pub(super) before: EventId,
    /// The entry of that id was the newest: the log had not lost it, and nobody else had added any.
    pub(super) was_newest: bool,
    /// By the clock of Redis.
    pub(super) time_ms: u64,
    pub(super) bounds: LogBounds,
    /// Events that were ever added to it.
    pub(super) added: u64,
}

impl LogState {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let mut part = || parts.next();
        let state = Self {
            before: part()?.parse().ok()?,
            was_newest: part()? == "1",
            time_ms: part()?.parse().ok()?,
            bounds: LogBounds {
                floor: part()?.parse().ok()?,
                oldest: part()?.parse().ok(),
                events: part()?.parse().ok()?,
                bytes: part()?.parse().ok()?,
            },
            added: part()?.parse().ok()?,
        };
        Some(state)
    }
}
