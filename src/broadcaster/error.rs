//! Why something was refused. Each says what would be right.

use std::fmt;

use crate::history::{AppendError, Unavailable};

/// Why a broadcaster did not start.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// There is no Tokio runtime here.
    NoRuntime,
    /// The window is too small for the events that it must hold.
    WindowTooSmall {
        least_events: usize,
        least_bytes: usize,
    },
    /// Another broadcaster was started on this history: only one is told of what is published.
    HistoryInUse,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRuntime => f.write_str(
                "a broadcaster starts inside a Tokio runtime: in an async fn under #[tokio::main] or \
                 actix's main, or after Runtime::enter()",
            ),
            Self::WindowTooSmall {
                least_events,
                least_bytes,
            } => write!(
                f,
                "the history is too small for the largest event allowed: it needs room for at least \
                 {least_events} events and {least_bytes} bytes"
            ),
            Self::HistoryInUse => f.write_str(
                "another broadcaster was started on this history; clone that one, or open the history again",
            ),
        }
    }
}

impl std::error::Error for StartError {}

/// Why a publish was refused. Nothing was kept, but for [`PublishError::OutcomeUnknown`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishError {
    /// An event's data is longer than `max_event_bytes`.
    EventTooLarge {
        bytes: usize,
        max: usize,
    },
    /// The batch is more than a quarter of the history.
    BatchTooLarge {
        max_events: usize,
        max_bytes: usize,
    },
    /// The server was behind for longer than `publish_wait`; try again.
    Overloaded,
    /// The broadcaster is draining.
    Draining,
    /// A retained value was not as expected.
    Conflict(AppendError),
    Unavailable(Unavailable),
    /// It may have been kept: repeat with an own id.
    OutcomeUnknown(Unavailable),
    /// [`publish_blocking`](super::Broadcaster::publish_blocking) was called from an async context, where it must not wait.
    WouldBlock,
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EventTooLarge { bytes, max } => {
                write!(
                    f,
                    "the event has {bytes} bytes of data; at most {max} are allowed"
                )
            }
            Self::BatchTooLarge {
                max_events,
                max_bytes,
            } => write!(
                f,
                "the batch is too large: at most {max_events} events and {max_bytes} bytes are \
                 taken at once; send it in parts"
            ),
            Self::Overloaded => f.write_str("the server is behind; try again in a moment"),
            Self::Draining => f.write_str("the server is going away; try again in a moment"),
            Self::Conflict(why) => why.fmt(f),
            Self::Unavailable(why) | Self::OutcomeUnknown(why) => why.fmt(f),
            Self::WouldBlock => f.write_str(
                "publish_blocking was called from an async context; await publish instead",
            ),
        }
    }
}

impl std::error::Error for PublishError {}

impl From<AppendError> for PublishError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Unavailable(why) => Self::Unavailable(why),
            AppendError::OutcomeUnknown(why) => Self::OutcomeUnknown(why),
            AppendError::Conflict { .. } | AppendError::RetainedFull | AppendError::NoEvents => {
                Self::Conflict(error)
            }
        }
    }
}

/// Why nobody can subscribe now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscribeError {
    /// `max_subscribers` are connected.
    Full,
    Draining,
    /// No task walks this thread's shard, and there is no Tokio runtime here to start one on.
    NoRuntime,
}

impl SubscribeError {
    /// Stable, machine-readable.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Full => "too_many_subscribers",
            Self::Draining => "draining",
            Self::NoRuntime => "internal",
        }
    }
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "as many subscribers as allowed are connected",
            Self::Draining => "the server is going away; try again in a moment",
            Self::NoRuntime => "subscribe inside a Tokio runtime",
        })
    }
}

impl std::error::Error for SubscribeError {}
