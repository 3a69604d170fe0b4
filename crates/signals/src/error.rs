use sse_broadcaster::{
    broadcaster::{PublishError, SubscribeError},
    event::{EventId, Invalid},
    history::{AppendError, Unavailable},
};

use super::MAX_DEPTH;

/// Why a signal was not read or changed. Nothing was changed, but for
/// [`PublishError::OutcomeUnknown`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignalError {
    /// A name, a document or a patch is not valid.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The text is not one JSON value: what is wrong, and where.
    #[error("{0}")]
    NotJson(String),
    /// There is no such signal.
    #[error("there is no such signal; PUT one first")]
    Missing,
    /// The version of the document does not meet the condition.
    #[error("{}", changed(*version))]
    Changed {
        /// The version of the document; `None` where there is none.
        version: Option<EventId>,
    },
    /// A patch does not fit the document: which operation, and why.
    #[error("{0}")]
    Patch(String),
    /// The document would be too long.
    #[error(
        "the document would be larger than {max} bytes, nested {MAX_DEPTH} levels at most; \
         keep parts of it in signals of their own"
    )]
    TooLarge {
        /// Most bytes of compact JSON.
        max: usize,
    },
    /// History retains as many documents, or bytes of them, as it may.
    #[error("{}", AppendError::RetainedFull)]
    Full,
    /// Other writers changed the signal between reading and writing, for 5 seconds; try again.
    #[error("others changed the signal each time; try again in a moment")]
    Contended,
    /// The document does not fit the type of the [`Signal`](super::Signal).
    #[error("the document is of another type: {0}")]
    Type(String),
    /// The change was not published.
    #[error(transparent)]
    Publish(PublishError),
    /// No subscription is possible now.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    /// History cannot be reached.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// A blocking call was made from an async context.
    #[error("{}", PublishError::WouldBlock)]
    WouldBlock,
}

fn changed(version: Option<EventId>) -> String {
    match version {
        None => "there is no such signal to match".to_owned(),
        Some(version) => format!(
            "the document is of version \"{version}\"; read it again and repeat the change on it"
        ),
    }
}

impl SignalError {
    /// The stable, machine-readable code, for example `no_such_signal`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(invalid) => invalid.code(),
            Self::NotJson(_) => "invalid_json",
            Self::Missing => "no_such_signal",
            Self::Changed { .. } => "changed",
            Self::Patch(_) => "patch_failed",
            Self::TooLarge { .. } => "too_large",
            Self::Full => "too_many_signals",
            Self::Contended => "contended",
            Self::Type(_) => "wrong_type",
            Self::Publish(_) => "publish",
            Self::Subscribe(_) => "subscribe",
            Self::Unavailable(_) => "history_unavailable",
            Self::WouldBlock => "would_block",
        }
    }

    /// Whether the same call may succeed a moment later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Contended
                | Self::Unavailable(_)
                | Self::Publish(PublishError::Overloaded | PublishError::Unavailable(_))
        )
    }
}

impl From<PublishError> for SignalError {
    fn from(why: PublishError) -> Self {
        match why {
            PublishError::Conflict(AppendError::RetainedFull) => Self::Full,
            PublishError::Conflict(_) => Self::Contended,
            PublishError::Unavailable(why) => Self::Unavailable(why),
            other => Self::Publish(other),
        }
    }
}
