//! When what a log on disk has appended is safe from a power loss.

use std::{fmt, str::FromStr, time::Duration};

use thiserror::Error;

/// The shortest interval that is parsed; [`SyncPolicy::Always`] is for less.
const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// When an append is safe from a power loss. With each of these it has reached the kernel before it is
/// acknowledged, so that the end of the process loses nothing.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use sse_broadcaster::history::SyncPolicy;
///
/// assert_eq!("always".parse(), Ok(SyncPolicy::Always));
/// assert_eq!("10ms".parse(), Ok(SyncPolicy::Every(Duration::from_millis(10))));
/// assert!("10".parse::<SyncPolicy>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncPolicy {
    /// Before it is acknowledged.
    Always,
    /// Within this interval. A power loss loses what was acknowledged since the last sync.
    Every(Duration),
    /// When the kernel writes it, by default some 30 seconds later.
    Never,
}

/// A text that is no [`SyncPolicy`].
#[derive(Debug, Clone, PartialEq, Error)]
#[error(transparent)]
pub struct InvalidSyncPolicy(Reason);

#[derive(Debug, Clone, PartialEq, Error)]
enum Reason {
    #[error("an interval is at least 1ms; \"always\" syncs each time")]
    TooShort,
    #[error("\"always\", \"never\", or an interval with a unit, like 10ms")]
    Duration(#[source] humantime::DurationError),
}

impl FromStr for SyncPolicy {
    type Err = InvalidSyncPolicy;

    /// `always`, `never`, or an interval with a unit that is at least 1 ms, as in `10ms`.
    fn from_str(text: &str) -> Result<Self, InvalidSyncPolicy> {
        match text {
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            "0" => Err(InvalidSyncPolicy(Reason::TooShort)),
            _ => match humantime::parse_duration(text) {
                Ok(interval) if interval >= MIN_INTERVAL => Ok(Self::Every(interval)),
                Ok(_) => Err(InvalidSyncPolicy(Reason::TooShort)),
                Err(error) => Err(InvalidSyncPolicy(Reason::Duration(error))),
            },
        }
    }
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
