//! The tables, and how safely they are written.

use std::fmt;

use rusqlite::Connection;

/// Counted up with each change of `schema.sql`.
const VERSION: i64 = 1;

/// Makes the tables where there are none, and answers with the database's identity.
pub fn prepare(connection: &mut Connection) -> Result<String, Problem> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // What was answered survives a power loss.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let transaction = connection.transaction()?;
    match transaction.pragma_query_value(None, "user_version", |row| row.get(0))? {
        0 => {
            transaction.execute_batch(include_str!("schema.sql"))?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
        VERSION => {}
        other => return Err(Problem::OtherVersion(other)),
    }
    let identity = transaction.query_row("SELECT id FROM identity", (), |row| row.get(0))?;
    transaction.commit()?;
    Ok(identity)
}

#[derive(Debug)]
pub enum Problem {
    Sqlite(rusqlite::Error),
    OtherVersion(i64),
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(error) => error.fmt(f),
            Self::OtherVersion(other) => write!(
                f,
                "its tables are of version {other}, and this program knows {VERSION}"
            ),
        }
    }
}
