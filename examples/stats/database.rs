//! The database file that everything shown comes from.
//!
//! Nothing here runs on the threads that serve: each access goes to the runtime's pool of blocking
//! threads. Reads have a connection of their own, so that they wait for no writer, and so that the
//! `data_version` of that connection moves with everybody's writes.

pub mod names;
mod seed;

use std::{fmt, path::Path, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::watch;

use support::private;

/// Which schema the file has; a new file has 0.
const SCHEMA_VERSION: i64 = 1;
/// How long to wait for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What went wrong, as a sentence for the operator.
#[derive(Debug, Clone)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self(format!("the database cannot be used: {error}"))
    }
}

/// A handle: clones are the same database.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    reader: Mutex<Connection>,
    writer: Mutex<Connection>,
    changed: watch::Sender<()>,
}

impl Database {
    /// Opens the file, or makes it with the data that the dashboard begins with. Blocks.
    ///
    /// # Errors
    /// It cannot be opened, is no database, or one of a later version.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let named = |error: &dyn fmt::Display| {
            Error(format!(
                "{} cannot be opened: {error}; name another directory with --data-dir",
                path.display()
            ))
        };
        private::keep_database(path).map_err(|error| named(&error))?;
        let mut writer = connect(path).map_err(|error| named(&error))?;
        let version = prepare(&mut writer).map_err(|error| named(&error))?;
        if version != SCHEMA_VERSION {
            return Err(Error(format!(
                "{} has the schema {version}, and this program knows {SCHEMA_VERSION}; name another \
                 directory with --data-dir",
                path.display()
            )));
        }
        let reader = connect(path).map_err(|error| named(&error))?;
        Ok(Self(Arc::new(Inner {
            reader: Mutex::new(reader),
            writer: Mutex::new(writer),
            changed: watch::Sender::new(()),
        })))
    }

    /// # Errors
    /// The query failed.
    pub async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let inner = Arc::clone(&self.0);
        blocking(move || query(&inner.reader.lock())).await
    }

    /// One transaction: all of it or nothing. Those who follow [`changes`](Self::changes) are told.
    ///
    /// # Errors
    /// It failed, and nothing was written.
    pub async fn write(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()> + Send + 'static,
    ) -> Result<(), Error> {
        let inner = Arc::clone(&self.0);
        blocking(move || {
            let mut writer = inner.writer.lock();
            let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            change(&transaction)?;
            transaction.commit()
        })
        .await?;
        self.0.changed.send_replace(());
        Ok(())
    }

    /// A number that differs from what it was before whenever anybody, in this process or another,
    /// has written in between.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn version(&self) -> Result<i64, Error> {
        self.read(|reader| reader.query_row("PRAGMA data_version", [], |row| row.get(0)))
            .await
    }

    /// Told of each write of this process.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Readers and a writer do not wait for each other.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// Fills a new file, and answers which schema the file has.
fn prepare(writer: &mut Connection) -> rusqlite::Result<i64> {
    // Two that start at once on one file come in turn.
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version != 0 {
        return Ok(version);
    }
    transaction.execute_batch(include_str!("database/schema.sql"))?;
    seed::fill(&transaction)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()?;
    Ok(SCHEMA_VERSION)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(error) => Err(Error(format!("the database was not asked: {error}"))),
    }
}
