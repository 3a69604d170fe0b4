use std::time::Duration;

use crate::history::From;

/// Longest text that a gap repeats of what a client brought.
const MAX_REQUESTED_CHARS: usize = 256;

/// Where a subscription begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Start {
    /// With what is published from now on.
    #[default]
    Live,
    /// After what a client brought as its last id: a position, an own id, or anything at all, which
    /// is a gap.
    After(String),
    /// At the first event that was taken at or after this time, in milliseconds since the Unix epoch.
    Since(u64),
    /// At the first event that was taken at most so long ago, by the log's own clock.
    Ago(Duration),
    /// At the oldest event there is.
    Earliest,
    /// At the last so many events that match.
    Last(usize),
}

impl Start {
    pub(super) fn from(&self) -> Option<From<'_>> {
        match self {
            Self::Live => None,
            Self::After(id) => Some(From::LastEventId(id)),
            Self::Since(ms) => Some(From::Since(*ms)),
            Self::Ago(age) => Some(From::Ago(
                u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
            )),
            Self::Earliest => Some(From::Earliest),
            Self::Last(count) => Some(From::Last(*count)),
        }
    }

    #[must_use]
    pub fn requested(&self) -> String {
        match self {
            Self::After(id) => id.chars().take(MAX_REQUESTED_CHARS).collect(),
            Self::Since(ms) => {
                let time = std::time::UNIX_EPOCH + Duration::from_millis(*ms);
                humantime::format_rfc3339_millis(time).to_string()
            }
            Self::Ago(age) => humantime::format_duration(*age).to_string(),
            Self::Live | Self::Earliest | Self::Last(_) => String::new(),
        }
    }
}
