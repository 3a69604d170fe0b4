//! One connection to the database on a thread of its own, so that no thread that serves waits for the
//! disk.

use std::{fmt, path::Path, thread};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::schema::{self, Identity};
use support::private;

/// Most calls that wait for the thread; who comes then waits for a place.
const MAX_WAITING_CALLS: usize = 1_000;

type Call = Box<dyn FnOnce(&mut Connection) + Send>;

/// A handle; the thread ends with the last of them.
#[derive(Debug, Clone)]
pub struct Database {
    calls: mpsc::Sender<Call>,
}

/// The database could not do it. What exactly failed is in the log.
#[derive(Debug)]
pub struct Unavailable;

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the database cannot be used now")
    }
}

impl Database {
    /// Opens it, and answers with its identity.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn open(path: &Path) -> Result<(Self, Identity), String> {
        let cannot = |error: &dyn fmt::Display| {
            format!(
                "{} cannot be opened ({error}); move it away, or name another directory with --data-dir",
                path.display()
            )
        };
        private::keep_database(path).map_err(|error| cannot(&error))?;
        let mut connection = Connection::open(path).map_err(|error| cannot(&error))?;
        let identity = schema::prepare(&mut connection).map_err(|error| cannot(&error))?;
        let (calls, mut waiting) = mpsc::channel::<Call>(MAX_WAITING_CALLS);
        thread::Builder::new()
            .name("database".into())
            .spawn(move || {
                while let Some(call) = waiting.blocking_recv() {
                    call(&mut connection);
                }
            })
            .map_err(|error| cannot(&error))?;
        Ok((Self { calls }, identity))
    }

    /// Has `work` done on the thread. It is done also when this future is dropped.
    ///
    /// # Errors
    /// The database refused; logged here.
    pub async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (answer, answered) = oneshot::channel();
        let call: Call = Box::new(move |connection| {
            // Nobody may be waiting any more.
            let _ = answer.send(work(connection));
        });
        self.calls.send(call).await.map_err(|_| Unavailable)?;
        let worked = answered.await.map_err(|_| Unavailable)?;
        worked.map_err(|error| {
            log::error!("SQLite: {error}");
            Unavailable
        })
    }
}
