//! When what a log on disk has taken is safe from a power loss.

use std::{fmt, time::Duration};

/// Whatever it is, what was answered has reached the kernel, so the end of the process costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Before it is answered.
    Always,
    /// So often. A power loss costs what was answered since.
    Every(Duration),
    /// When the kernel sees fit, some 30 seconds later by default.
    Never,
}

impl fmt::Display for SyncPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Every(interval) => write!(f, "every {}", humantime::format_duration(*interval)),
            Self::Never => f.write_str("never"),
        }
    }
}
