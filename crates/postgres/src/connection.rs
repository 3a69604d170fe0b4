//! Connections that are made anew where they break, and the server that each leads to.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use sse_broadcaster::internal::Backoff;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_postgres::{AsyncMessage, Client, Socket};

use super::{address::Address, error::PgError, shared::Shared, statements::Statements};

/// How often an idle connection is checked for a response.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// How many handles of its client an idle connection has: the shared one, and that of the task that watches it.
const IDLE_HANDLES: usize = 2;

/// A server process: which cluster, which timeline of it, and when it was started. Another one may have lost something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Server {
    system: i64,
    timeline: u32,
    started_us: i64,
}

impl Server {
    /// # Errors
    /// A standby is refused: it takes no events, and those that it has may lag.
    pub(super) async fn of(client: &Client) -> Result<Self, PgError> {
        let row = client
            .query_one(
                "SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_walfile_name(pg_current_wal_lsn()) END, \
                 (SELECT system_identifier FROM pg_control_system()), \
                 (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint",
                &[],
            )
            .await?;
        let Some(segment) = row.get::<_, Option<&str>>(0) else {
            return Err(PgError::own("this is a standby, and a primary is needed"));
        };
        let timeline = segment
            .get(..8)
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        Ok(Self {
            system: row.get(1),
            timeline: timeline.ok_or_else(|| PgError::own("its timeline is not known"))?,
            started_us: row.get(2),
        })
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '/');
        Some(Self {
            system: parts.next()?.parse().ok()?,
            timeline: parts.next()?.parse().ok()?,
            started_us: parts.next()?.parse().ok()?,
        })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.system, self.timeline, self.started_us)
    }
}

/// What receives the notifications of a connection.
pub(super) type Listener = Weak<Shared>;

/// Drives a connection until it ends.
pub(super) async fn drive<T: AsyncRead + AsyncWrite + Unpin>(
    mut connection: tokio_postgres::Connection<Socket, T>,
    listener: Option<Listener>,
) {
    loop {
        let message = futures_util::future::poll_fn(|cx| connection.poll_message(cx)).await;
        match message {
            Some(Ok(AsyncMessage::Notification(notification))) => {
                let shared = listener.as_ref().and_then(Weak::upgrade);
                if let Some(shared) = shared {
                    shared.notified(notification.channel(), notification.payload());
                }
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return,
        }
    }
}

#[derive(Clone)]
pub(super) struct Connection {
    pub(super) client: Arc<Client>,
    pub(super) statements: Arc<Statements>,
    /// Increases with each connection that this process opens.
    pub(super) number: u64,
    pub(super) server: Server,
}

/// A connection that many share, kept up by [`SharedConnection::keep`]. Whoever finds it down does not wait.
#[derive(Default)]
pub(super) struct SharedConnection {
    connection: Mutex<Option<Connection>>,
    broken: Notify,
    pub(super) up: Notify,
    /// Somebody else has reached PostgreSQL, so that it is worth a try at once.
    hint: Notify,
}

impl SharedConnection {
    pub(super) fn get(&self) -> Option<Connection> {
        self.connection.lock().clone()
    }

    /// This one is of no use any more; a later one stays.
    pub(super) fn drop_broken(&self, broken: &Connection) {
        let mut connection = self.connection.lock();
        let is_this = |c: &Connection| c.number == broken.number;
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
    pub(super) async fn keep(self: Arc<Self>, address: Address) {
        let mut backoff = Backoff::default();
        loop {
            let connected = tokio::select! {
                connected = address.connect(None) => connected,
                // What is under way may be waiting for a reply that was lost.
                () = self.hint.notified() => continue,
            };
            if let Ok(mine) = connected {
                backoff.reset();
                *self.connection.lock() = Some(mine.clone());
                self.up.notify_waiters();
                self.watch(mine, address.timeout).await;
            }
            let _ = timeout(backoff.next_wait(), self.hint.notified()).await;
        }
    }

    /// Until it is broken.
    async fn watch(&self, mine: Connection, reply_within: Duration) {
        loop {
            tokio::select! {
                () = self.broken.notified() => return,
                () = sleep(PROBE_EVERY) => {}
            }
            // A statement that runs is bounded itself, and so is the wait for its reply.
            if Arc::strong_count(&mine.client) > IDLE_HANDLES && !mine.client.is_closed() {
                continue;
            }
            let probed = timeout(reply_within, mine.client.check_connection()).await;
            if !matches!(probed, Ok(Ok(()))) {
                self.drop_broken(&mine);
            }
        }
    }
}
