//! Why a history did not do what was requested.

use std::{error, fmt, sync::Arc};

use thiserror::Error;

use super::{MAX_RETAINED_BYTES, MAX_RETAINED_VALUES};
use crate::event::EventId;

/// Why an append failed. Nothing was appended, but for [`AppendError::OutcomeUnknown`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AppendError {
    /// A retained key was written at another id than expected.
    #[error("the value {key} was changed by another writer")]
    Conflict {
        /// The first such key.
        key: String,
        /// The id that it was written at; `None`: there is no value under it.
        written_at: Option<EventId>,
    },
    /// The retained values would outgrow [`MAX_RETAINED_VALUES`] or [`MAX_RETAINED_BYTES`].
    #[error(
        "signals and the last events of topics with a rule latest would be more than {MAX_RETAINED_VALUES}, or \
         more than {MAX_RETAINED_BYTES} bytes, of which nothing is dropped by itself; remove some first"
    )]
    RetainedFull,
    /// A batch without events cannot retain anything.
    #[error("a value is retained together with an event only")]
    NoEvents,
    /// Nothing was kept.
    #[error(transparent)]
    Unavailable(Unavailable),
    /// It may have been kept: the reply was lost, or a sync failed.
    #[error(transparent)]
    OutcomeUnknown(Unavailable),
}

/// A history that cannot be reached, or cannot do what was requested now. The reason is for the operator's log,
/// and names addresses and directories.
#[derive(Debug, Clone)]
pub struct Unavailable {
    reason: String,
    source: Option<Arc<dyn error::Error + Send + Sync>>,
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

    /// Keeps the error that was the reason, for [`source`](error::Error::source).
    #[must_use]
    pub fn with_source(mut self, source: impl error::Error + Send + Sync + 'static) -> Self {
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

impl error::Error for Unavailable {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&**self.source.as_ref()?)
    }
}

#[cfg(test)]
mod tests {
    use std::{error::Error as _, io};

    use super::*;
    use crate::broadcaster::PublishError;

    #[test]
    fn every_error_around_an_unavailable_history_has_the_source_of_that() {
        let why = Unavailable::new("the disk is full").with_source(io::Error::other("ENOSPC"));
        let errors: [&dyn error::Error; 4] = [
            &why,
            &AppendError::Unavailable(why.clone()),
            &PublishError::Unavailable(why.clone()),
            &PublishError::OutcomeUnknown(why.clone()),
        ];
        for error in errors {
            assert_eq!(
                error.to_string(),
                "history is unavailable: the disk is full"
            );
            let source = error.source().expect("a source");
            assert!(source.is::<io::Error>(), "{source:?}");
        }
        assert!(AppendError::NoEvents.source().is_none());
    }
}
