//! Why a history did not do what was requested.

use std::{error::Error, fmt, sync::Arc};

use super::{MAX_RETAINED_BYTES, MAX_RETAINED_VALUES};
use crate::event::EventId;

/// Why an append failed. Nothing was appended, but for [`AppendError::OutcomeUnknown`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppendError {
    /// A retained key was written at another id than expected.
    Conflict {
        /// The first such key.
        key: String,
        /// The id that it was written at; `None`: there is no value under it.
        written_at: Option<EventId>,
    },
    /// The retained values would outgrow [`MAX_RETAINED_VALUES`] or [`MAX_RETAINED_BYTES`].
    RetainedFull,
    /// A batch without events cannot retain anything.
    NoEvents,
    /// Nothing was kept.
    Unavailable(Unavailable),
    /// It may have been kept: the reply was lost, or a sync failed.
    OutcomeUnknown(Unavailable),
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { key, .. } => {
                write!(f, "the value {key} was changed by another writer")
            }
            Self::RetainedFull => write!(
                f,
                "at most {MAX_RETAINED_VALUES} values of {MAX_RETAINED_BYTES} bytes in all are retained"
            ),
            Self::NoEvents => f.write_str("a value is retained together with an event only"),
            Self::Unavailable(why) | Self::OutcomeUnknown(why) => why.fmt(f),
        }
    }
}

impl Error for AppendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unavailable(why) | Self::OutcomeUnknown(why) => why.source(),
            Self::Conflict { .. } | Self::RetainedFull | Self::NoEvents => None,
        }
    }
}

/// A history that cannot be reached, or cannot do what was requested now. The reason is for the operator's log,
/// and names addresses and directories.
#[derive(Debug, Clone)]
pub struct Unavailable {
    reason: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Unavailable {
    /// Of a reason that is complete in itself.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            source: None,
        }
    }

    /// Keeps the error that was the reason, for [`Error::source`].
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Without the words that [`Display`](fmt::Display) puts before it.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// By their reasons.
impl PartialEq for Unavailable {
    fn eq(&self, other: &Self) -> bool {
        self.reason == other.reason
    }
}

impl Eq for Unavailable {}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "history is unavailable: {}", self.reason)
    }
}

impl Error for Unavailable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&**self.source.as_ref()?)
    }
}
