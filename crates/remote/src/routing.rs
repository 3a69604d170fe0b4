//! Which connection is used: one that leads to the server that the tail follows.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::time::{sleep, timeout};

use super::{Connected, Database, RemoteLog, ServerOf, SharedConnection};
use sse_broadcaster::{history::Unavailable, internal::Followed};

/// How often it is checked whether the address leads to another server.
const CHECK_ADDRESS_EVERY: Duration = Duration::from_secs(5);

impl<D: Database> RemoteLog<D> {
    /// This connection, to the server that the tail follows. While the tail has one, waits for it, less than a publisher
    /// waits for its response.
    ///
    /// # Errors
    /// That no such connection came up by then, or why the database cannot be reached.
    pub async fn connection(
        &self,
        shared: &SharedConnection<D>,
    ) -> Result<D::Connection, Unavailable> {
        let found = match self.usable(shared) {
            None if self.follows() => {
                timeout(self.address.timeout() * 9 / 10, self.come_to_usable(shared))
                    .await
                    .ok()
            }
            found => found,
        };
        found.ok_or_else(|| self.unavailable())
    }

    async fn come_to_usable(&self, shared: &SharedConnection<D>) -> D::Connection {
        loop {
            let (up, polled) = (shared.up.notified(), self.polled.notified());
            tokio::pin!(up, polled);
            up.as_mut().enable();
            polled.as_mut().enable();
            if let Some(connection) = self.usable(shared) {
                return connection;
            }
            tokio::select! {
                () = up => {}
                () = polled => {}
            }
        }
    }

    /// Whether this connection leads to the server that the tail follows.
    pub fn is_usable(&self, shared: &SharedConnection<D>) -> bool {
        let followed = self.reservations.last_followed();
        followed.is_some_and(|followed| shared.server() == Some(followed.server))
    }

    /// This connection, if it leads to the server that the tail follows. Where it does not, the
    /// older of the two connections is dropped: the address has led elsewhere since.
    pub fn usable(&self, shared: &SharedConnection<D>) -> Option<D::Connection> {
        let connection = shared.get()?;
        let followed = self.reservations.last_followed()?;
        if connection.server() == followed.server {
            return Some(connection);
        }
        if connection.number() < followed.connection {
            shared.drop_broken(&connection);
        } else {
            self.leave(followed);
        }
        None
    }

    /// Has the tail follow what the address leads to now.
    pub fn leave(&self, followed: Followed<ServerOf<D>>) {
        let left = self
            .left
            .fetch_max(followed.connection + 1, Ordering::AcqRel);
        if left <= followed.connection {
            self.leave.notify_one();
        }
    }

    /// Leaves a server that its open connections go on being served by, though the address leads to
    /// another one. Never ends.
    pub async fn watch_address(&self) {
        loop {
            sleep(CHECK_ADDRESS_EVERY).await;
            let Some(followed) = self.reservations.followed() else {
                continue;
            };
            let leads_to = self.address.leads_to().await;
            if leads_to.is_some_and(|server| server != followed.server) {
                self.leave(followed);
            }
            // One that nobody has used since would stay where it is.
            for shared in [&self.appends, &self.reads] {
                self.usable(shared);
            }
        }
    }

    /// Until the tail is to leave the connection of this number.
    pub async fn has_left(&self, connection: u64) {
        while self.left.load(Ordering::Acquire) <= connection {
            self.leave.notified().await;
        }
    }
}
