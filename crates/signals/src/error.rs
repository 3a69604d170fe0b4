use std::fmt;

use sse_broadcaster::{
    broadcaster::{PublishError, SubscribeError},
    event::{EventId, Invalid},
    history::{AppendError, Unavailable},
};

use super::MAX_DEPTH;

/// Why a signal was not read or changed. Nothing was changed, but for
/// [`PublishError::OutcomeUnknown`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignalError {
    /// A name, a document or a patch that cannot be.
    Invalid(Invalid),
    /// Not one JSON value.
    NotJson(String),
    /// There is no such signal.
    Missing,
    /// The document is not of a version that the condition names.
    Changed {
        version: Option<EventId>,
    },
    /// A patch does not fit the document.
    Patch(String),
    /// The document would be longer than so many bytes.
    TooLarge {
        max: usize,
    },
    /// More documents, or bytes of them, than history retains.
    Full,
    /// Others changed it each time when it was tried; try again.
    Contended,
    /// The document is not one of the type that it was asked for as.
    Type(String),
    Publish(PublishError),
    Subscribe(SubscribeError),
    Unavailable(Unavailable),
    /// A blocking call was made from an async context.
    WouldBlock,
}

impl SignalError {
    /// Stable, machine-readable.
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

    /// Whether the same may be done a moment later.
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

impl fmt::Display for SignalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(invalid) => invalid.fmt(f),
            Self::Missing => f.write_str("there is no such signal; PUT one first"),
            Self::Changed { version: None } => f.write_str("there is no such signal to match"),
            Self::Changed {
                version: Some(version),
            } => write!(
                f,
                "the document is of version \"{version}\"; read it again and repeat the change on it"
            ),
            Self::Patch(why) | Self::NotJson(why) => f.write_str(why),
            Self::TooLarge { max } => write!(
                f,
                "the document would be larger than {max} bytes, nested {MAX_DEPTH} levels at most; \
                 keep parts of it in signals of their own"
            ),
            Self::Full => AppendError::RetainedFull.fmt(f),
            Self::Contended => {
                f.write_str("others changed the signal each time; try again in a moment")
            }
            Self::Type(why) => write!(f, "the document is of another type: {why}"),
            Self::Publish(why) => why.fmt(f),
            Self::Subscribe(why) => why.fmt(f),
            Self::Unavailable(why) => why.fmt(f),
            Self::WouldBlock => PublishError::WouldBlock.fmt(f),
        }
    }
}

impl std::error::Error for SignalError {}

impl From<Invalid> for SignalError {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<Unavailable> for SignalError {
    fn from(why: Unavailable) -> Self {
        Self::Unavailable(why)
    }
}

impl From<SubscribeError> for SignalError {
    fn from(why: SubscribeError) -> Self {
        Self::Subscribe(why)
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
