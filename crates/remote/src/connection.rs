//! A connection that many share, and that is made anew where it breaks.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use parking_lot::Mutex;
use sse_broadcaster::internal::Backoff;

use super::{Database, ServerOf};

/// How often an idle connection is checked for a response.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// A connection to a database.
pub trait Connected: Clone + Send + Sync + 'static {
    /// What tells one server from another.
    type Server: Copy + PartialEq + Send + Sync + 'static;

    /// Increases with each connection that this process opens.
    fn number(&self) -> u64;

    /// The server that it leads to.
    fn server(&self) -> Self::Server;
}

/// A connection that many share, kept up by [`SharedConnection::keep`]. Whoever finds it down does not wait.
pub struct SharedConnection<D: Database> {
    connection: Mutex<Option<D::Connection>>,
    broken: Notify,
    pub(super) up: Notify,
    /// Somebody else has reached the database, so that it is worth a try at once.
    hint: Notify,
}

impl<D: Database> Default for SharedConnection<D> {
    fn default() -> Self {
        Self {
            connection: Mutex::new(None),
            broken: Notify::new(),
            up: Notify::new(),
            hint: Notify::new(),
        }
    }
}

impl<D: Database> fmt::Debug for SharedConnection<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedConnection")
    }
}

impl<D: Database> SharedConnection<D> {
    /// The connection, if it is there, to whichever server it leads.
    pub fn get(&self) -> Option<D::Connection> {
        self.connection.lock().clone()
    }

    /// The server that the connection leads to, if it is there.
    pub fn server(&self) -> Option<ServerOf<D>> {
        self.connection.lock().as_ref().map(Connected::server)
    }

    /// This one is of no use any more; a later one stays.
    pub fn drop_broken(&self, broken: &D::Connection) {
        let mut connection = self.connection.lock();
        let is_this = |c: &D::Connection| c.number() == broken.number();
        if connection.as_ref().is_some_and(is_this) {
            *connection = None;
            self.broken.notify_one();
        }
    }

    pub(super) fn try_now(&self) {
        // Also for who is about to wait.
        self.hint.notify_one();
    }

    /// Never ends.
    pub async fn keep(self: Arc<Self>, address: D) {
        let mut backoff = Backoff::default();
        loop {
            let connected = tokio::select! {
                connected = address.connect() => connected,
                // What is under way may be waiting for a reply that was lost.
                () = self.hint.notified() => continue,
            };
            if let Ok(mine) = connected {
                backoff.reset();
                *self.connection.lock() = Some(mine.clone());
                self.up.notify_waiters();
                self.watch(mine, &address).await;
            }
            let _ = timeout(backoff.next_wait(), self.hint.notified()).await;
        }
    }

    /// Until it is broken.
    async fn watch(&self, mine: D::Connection, address: &D) {
        loop {
            tokio::select! {
                () = self.broken.notified() => return,
                () = sleep(PROBE_EVERY) => {}
            }
            if !address.probe(&mine).await {
                self.drop_broken(&mine);
            }
        }
    }
}
