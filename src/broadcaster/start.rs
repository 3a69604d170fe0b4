use std::time::{Duration, SystemTime};

use crate::{clock, history::From};

/// Longest text that a gap repeats of what a client brought.
const MAX_REQUESTED_CHARS: usize = 256;

/// Where a subscription begins.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use sse_broadcaster::{Broadcaster, Event, Memory, Options, Selector, Start, history::Retention};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
/// for data in ["one", "two", "three"] {
///     broadcaster.publish(Event::builder(data).build()?).await?;
/// }
/// for (start, due) in [
///     (Start::Live, 0),
///     (Start::Earliest, 3),
///     (Start::Last(2), 2),
///     (Start::Ago(Duration::from_secs(60)), 3),
/// ] {
///     let mut reader = broadcaster.read_history(Selector::topics::<&str>(&[])?, start, 10).await?;
///     let found = reader.next().await?.unwrap_or_default();
///     assert_eq!(found.len(), due);
/// }
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Start {
    /// With what is published from now on.
    #[default]
    Live,
    /// After what a client sent as its last id: a position or an idempotency key. Anything else is a gap.
    After(String),
    /// At the first event that was appended at or after this time, rounded down to the millisecond.
    Since(SystemTime),
    /// At the first event that was appended at most so long ago, by the log's own clock.
    Ago(Duration),
    /// At the oldest event there is.
    Earliest,
    /// At the last so many events that the selector admits; 0 is the same as the head of history.
    Last(usize),
}

impl Start {
    pub(super) fn from(&self) -> Option<From<'_>> {
        match self {
            Self::Live => None,
            Self::After(id) => Some(From::LastEventId(id)),
            Self::Since(time) => Some(From::Since(*time)),
            Self::Ago(age) => Some(From::Ago(*age)),
            Self::Earliest => Some(From::Earliest),
            Self::Last(count) => Some(From::Last(*count)),
        }
    }

    /// The start as a gap names it: what a client brought, at most 256 characters of it, a time or an age; empty for
    /// the others.
    #[must_use]
    pub fn requested(&self) -> String {
        match self {
            Self::After(id) => id.chars().take(MAX_REQUESTED_CHARS).collect(),
            Self::Since(time) => clock::rfc3339(*time),
            Self::Ago(age) => humantime::format_duration(*age).to_string(),
            Self::Live | Self::Earliest | Self::Last(_) => String::new(),
        }
    }
}
