//! Why the engine did not do what was requested.

use std::{error::Error, fmt, io, sync::Arc};

use fjall::LsmError;

use crate::record::Damaged;
use sse_broadcaster::history::Unavailable;

/// A request that the engine did not carry out.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Fault {
    /// What was read cannot have been written.
    #[error(transparent)]
    Damaged(Reason),
    /// A format that this engine does not know.
    #[error("the engine's files are of another version")]
    Version(#[source] Reason),
    /// An error of the disk: full, gone, read-only; or in use by another process.
    #[error(transparent)]
    Io(Reason),
    /// The engine accepts nothing more: an earlier write failed, or it met damage in the background.
    #[error("an earlier write has failed")]
    Stopped,
}

/// A sentence, which is complete in itself, and the error that it was made of, where there is one.
#[derive(Debug, Clone)]
pub(crate) struct Reason {
    sentence: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Reason {
    fn of(error: impl Error + Send + Sync + 'static) -> Self {
        Self::from(error.to_string()).caused_by(error)
    }

    pub(crate) fn caused_by(self, source: impl Error + Send + Sync + 'static) -> Self {
        Self {
            source: Some(Arc::new(source)),
            ..self
        }
    }
}

impl From<String> for Reason {
    fn from(sentence: String) -> Self {
        Self {
            sentence,
            source: None,
        }
    }
}

impl From<&str> for Reason {
    fn from(sentence: &str) -> Self {
        sentence.to_owned().into()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl Error for Reason {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&**self.source.as_ref()?)
    }
}

impl From<fjall::Error> for Fault {
    fn from(error: fjall::Error) -> Self {
        let damaged = |what: String, error| Self::Damaged(Reason::from(what).caused_by(error));
        match error {
            fjall::Error::Io(error) | fjall::Error::Storage(LsmError::Io(error)) => error.into(),
            fjall::Error::InvalidVersion(_) => Self::Version(Reason::of(error)),
            fjall::Error::Locked => {
                Self::Io(Reason::from("another process has opened it").caused_by(error))
            }
            fjall::Error::Poisoned => Self::Stopped,
            fjall::Error::JournalRecovery(ref why) => damaged(format!("a journal: {why:?}"), error),
            fjall::Error::Storage(ref why) => damaged(format!("a table: {why:?}"), error),
            other => damaged(format!("{other:?}"), other),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
                Self::Damaged(Reason::of(error))
            }
            // The last where a file is shorter than what is sought in it.
            io::ErrorKind::NotFound
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::InvalidInput => {
                let what = format!("files of it are missing, or cut off ({error})");
                Self::Damaged(Reason::from(what).caused_by(error))
            }
            _ => Self::Io(Reason::of(error)),
        }
    }
}

impl From<Damaged> for Fault {
    fn from(Damaged: Damaged) -> Self {
        Self::Damaged("a record that cannot be read".into())
    }
}

/// While a log is closed, what reads and publishes fail by.
impl From<Unavailable> for Fault {
    fn from(why: Unavailable) -> Self {
        Self::Io(Reason::from(why.reason()).caused_by(why))
    }
}

impl From<Fault> for Unavailable {
    fn from(fault: Fault) -> Self {
        Self::new(fault.to_string()).with_source(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_publisher_is_told_leads_back_to_the_error_of_the_disk() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let sentence = full.to_string();
        let why = Unavailable::from(Fault::from(fjall::Error::Io(full)));
        assert_eq!(why.reason(), sentence);
        // As the log is read while it is closed for this.
        let why = Unavailable::from(Fault::from(why));
        let mut sources = std::iter::successors(why.source(), |&error| error.source());
        let disk = sources.find_map(|error| error.downcast_ref::<io::Error>());
        assert_eq!(disk.map(io::Error::kind), Some(io::ErrorKind::StorageFull));
    }

    #[test]
    fn damage_that_the_engine_found_has_its_error_as_source() {
        let fault = Fault::from(fjall::Error::Storage(LsmError::Unrecoverable));
        assert!(matches!(fault, Fault::Damaged(_)));
        let source = fault.source().expect("the error of the engine");
        assert!(source.is::<fjall::Error>());
    }
}
