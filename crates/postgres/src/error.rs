//! What an error of PostgreSQL means for the call, and for the connection that it came by.

use std::{error::Error as _, fmt, sync::Arc, time::Duration};

use tokio::time::timeout;
use tokio_postgres::error::{DbError, SqlState};

/// An error of PostgreSQL or of the way to it. It never shows the password.
#[derive(Debug, Clone)]
pub(super) enum PgError {
    Postgres(Arc<tokio_postgres::Error>),
    /// Found by this crate.
    Own(Arc<str>),
}

/// By which a server that ends reports so. What it was doing may have been committed.
const ENDING: [SqlState; 3] = [
    SqlState::ADMIN_SHUTDOWN,
    SqlState::CRASH_SHUTDOWN,
    SqlState::IDLE_SESSION_TIMEOUT,
];
/// After these another connection may do better: to another server, or with the schema made anew.
const ELSEWHERE: [SqlState; 7] = [
    SqlState::CANNOT_CONNECT_NOW,
    SqlState::READ_ONLY_SQL_TRANSACTION,
    SqlState::UNDEFINED_TABLE,
    SqlState::UNDEFINED_FUNCTION,
    SqlState::UNDEFINED_OBJECT,
    SqlState::INVALID_SCHEMA_NAME,
    SqlState::FEATURE_NOT_SUPPORTED,
];

impl PgError {
    pub(super) fn own(why: impl Into<Arc<str>>) -> Self {
        Self::Own(why.into())
    }

    fn db(&self) -> Option<&DbError> {
        match self {
            Self::Postgres(error) => error.as_db_error(),
            Self::Own(_) => None,
        }
    }

    pub(super) fn code(&self) -> Option<&SqlState> {
        self.db().map(DbError::code)
    }

    /// Whether the transaction was surely rolled back: PostgreSQL reports an error of it.
    pub(super) fn is_refusal(&self) -> bool {
        self.code()
            .is_some_and(|code| !ENDING.contains(code) && !code.code().starts_with("08"))
    }

    /// Another connection may do better: this one is broken, or leads to what takes no events.
    pub(super) fn is_lost(&self) -> bool {
        !self.is_refusal() || self.code().is_some_and(|code| ELSEWHERE.contains(code))
    }

    /// The server takes no events, by whichever connection.
    pub(super) fn is_demoted(&self) -> bool {
        self.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION)
    }

    pub(super) fn is_denied(&self) -> bool {
        self.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE)
    }
}

/// What this work returns, which may take so long.
pub(super) async fn within<T, E>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, PgError>
where
    PgError: From<E>,
{
    match timeout(limit, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(PgError::own(format!("it has not responded for {limit:?}"))),
    }
}

impl From<tokio_postgres::Error> for PgError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(Arc::new(error))
    }
}

impl fmt::Display for PgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = match self {
            Self::Own(why) => return f.write_str(why),
            Self::Postgres(error) => error,
        };
        if let Some(db) = error.as_db_error() {
            return write!(f, "{} ({})", db.message(), db.code().code());
        }
        write!(f, "{error}")?;
        // What the library says of its own says little: the reason is behind it.
        let mut shown = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if !shown.contains(&text) {
                write!(f, ": {text}")?;
                shown = text;
            }
            source = cause.source();
        }
        Ok(())
    }
}

impl std::error::Error for PgError {}
