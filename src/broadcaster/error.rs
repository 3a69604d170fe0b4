//! Why something was refused. Each sentence includes what would be right.

use thiserror::Error;

use crate::history::{AppendError, Unavailable};

/// Why a broadcaster did not start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is no Tokio runtime here.
    #[error(
        "a broadcaster starts inside a Tokio runtime: in an async fn under #[tokio::main] or \
         actix's main, or after Runtime::enter()"
    )]
    NoRuntime,
    /// The window is too small for the events that it must hold.
    #[error(
        "the history is too small for the largest event allowed: it needs room for at least \
         {least_events} events and {least_bytes} bytes"
    )]
    WindowTooSmall {
        /// How many events it must hold.
        least_events: usize,
        /// How many bytes of memory it must hold.
        least_bytes: usize,
    },
    /// Another broadcaster was started on this history, which notifies only one of what is published.
    #[error(
        "another broadcaster was started on this history; clone that one, or open the history again"
    )]
    HistoryInUse,
}

/// Why a publish was refused. Nothing was kept, but for [`PublishError::OutcomeUnknown`] and
/// [`PublishError::KeyReused`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PublishError {
    /// An event's data is longer than `max_event_bytes`.
    #[error("the event has {bytes} bytes of data; at most {max} are allowed")]
    EventTooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The batch is more than a quarter of the history.
    #[error(
        "the batch is too large: at most {max_events} events and {max_bytes} bytes are \
         taken at once; send it in parts"
    )]
    BatchTooLarge {
        /// Most events of one batch.
        max_events: usize,
        /// Most bytes of one batch, by [`Event::most_memory`](crate::Event::most_memory).
        max_bytes: usize,
    },
    /// The server lagged for longer than `publish_wait`; try again.
    #[error("the server is behind; try again in a moment")]
    Overloaded,
    /// The broadcaster is draining.
    #[error("the server is going away; try again in a moment")]
    Draining,
    /// With a [`position_cipher`](crate::Options::position_cipher): an idempotency key is that of an event of other
    /// topics, or of the other privacy, and this one was not kept. The other events of the batch were.
    #[error(
        "the idempotency key {key:?} belongs to an event of other topics or of the other privacy, and the event was \
         not published; use a key of its own for each event"
    )]
    KeyReused {
        /// The key.
        key: String,
    },
    /// A retained value was not as expected.
    #[error(transparent)]
    Conflict(AppendError),
    /// History cannot be reached.
    #[error(transparent)]
    Unavailable(Unavailable),
    /// It may have been kept: repeat with an idempotency key.
    #[error(transparent)]
    OutcomeUnknown(Unavailable),
    /// [`publish_blocking`](super::Broadcaster::publish_blocking) was called from an async context, where it must not wait.
    #[error("publish_blocking was called from an async context; await publish instead")]
    WouldBlock,
}

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// `max_subscribers` are connected.
    #[error("as many subscribers as allowed are connected")]
    Full,
    /// The broadcaster is draining.
    #[error("the server is going away; try again in a moment")]
    Draining,
    /// No task walks this thread's shard, and there is no Tokio runtime here to start one on.
    #[error("subscribe inside a Tokio runtime")]
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
