//! Why the engine did not do what was requested.

use std::io;

use fjall::LsmError;

use crate::record::Damaged;

/// A request that the engine did not carry out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// What was read cannot have been written.
    #[error("{0}")]
    Damaged(String),
    /// A format that this engine does not know.
    #[error("the engine's files are of another version")]
    Version,
    /// An error of the disk: full, gone, read-only; or in use by another process.
    #[error("{0}")]
    Io(String),
    /// The engine accepts nothing more: an earlier write failed, or it met damage in the background.
    #[error("an earlier write has failed")]
    Stopped,
}

impl From<fjall::Error> for Fault {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Io(error) | fjall::Error::Storage(LsmError::Io(error)) => error.into(),
            fjall::Error::InvalidVersion(_) => Self::Version,
            fjall::Error::Locked => Self::Io("another process has opened it".into()),
            fjall::Error::Poisoned => Self::Stopped,
            fjall::Error::JournalRecovery(why) => Self::Damaged(format!("a journal: {why:?}")),
            fjall::Error::Storage(why) => Self::Damaged(format!("a table: {why:?}")),
            other => Self::Damaged(format!("{other:?}")),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
                Self::Damaged(error.to_string())
            }
            // The last where a file is shorter than what is sought in it.
            io::ErrorKind::NotFound
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::InvalidInput => {
                Self::Damaged(format!("files of it are missing, or cut off ({error})"))
            }
            _ => Self::Io(error.to_string()),
        }
    }
}

impl From<Damaged> for Fault {
    fn from(Damaged: Damaged) -> Self {
        Self::Damaged("a record that cannot be read".into())
    }
}
