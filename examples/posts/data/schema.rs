//! The tables, and how safely they are written.

use std::fmt;

use rusqlite::{Connection, Transaction};

use super::secrets::{self, Issuer};

/// Counted up with each change of `schema.sql`.
const VERSION: i64 = 2;

/// What is a database's own.
#[derive(Debug)]
pub struct Identity {
    pub id: String,
    pub issuer: Issuer,
}

/// Makes the tables where there are none, and brings those of an older version up to date.
pub fn prepare(connection: &mut Connection) -> Result<Identity, Problem> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // What was answered survives a power loss.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Nothing that was overwritten is left in the file.
    connection.pragma_update(None, "secure_delete", true)?;
    let transaction = connection.transaction()?;
    let found = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match found {
        0 => {
            transaction.execute_batch(include_str!("schema.sql"))?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
        1 => {
            hash_secrets(&transaction)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
        VERSION => {}
        other => return Err(Problem::OtherVersion(other)),
    }
    let identity = transaction.query_row("SELECT id, key FROM identity", (), |row| {
        let key: String = row.get(1)?;
        Ok(Identity {
            id: row.get(0)?,
            issuer: Issuer::new(&key),
        })
    })?;
    transaction.commit()?;
    if found == 1 {
        // Neither the file nor the log beside it keeps what was replaced.
        connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")?;
    }
    Ok(identity)
}

/// Version 1 kept the secrets themselves.
fn hash_secrets(transaction: &Transaction) -> rusqlite::Result<()> {
    transaction.execute_batch(
        "ALTER TABLE identity ADD COLUMN key TEXT NOT NULL DEFAULT '';
         UPDATE identity SET key = lower(hex(randomblob(32)));",
    )?;
    let mut authors = transaction.prepare("SELECT id, secret FROM authors")?;
    let authors = authors.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let authors: Vec<(String, String)> = authors.collect::<rusqlite::Result<_>>()?;
    for (id, secret) in authors {
        let hashed = (secrets::hash(&secret), id);
        transaction.execute("UPDATE authors SET secret = ? WHERE id = ?", hashed)?;
    }
    Ok(())
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
