//! Connections, and the server that each leads to.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use sse_broadcaster_remote::{Connected, Database};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_postgres::{AsyncMessage, Client, Socket};

use super::{
    address::Address,
    error::{PgError, within},
    shared::Shared,
    statements::Statements,
};

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

impl Connected for Connection {
    type Server = Server;

    fn number(&self) -> u64 {
        self.number
    }

    fn server(&self) -> Server {
        self.server
    }
}

impl Database for Address {
    type Connection = Connection;
    type Error = PgError;

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn connect(&self) -> BoxFuture<'_, Result<Connection, PgError>> {
        self.connect_with(None).boxed()
    }

    fn probe<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, bool> {
        async {
            let client = &connection.client;
            // A statement that runs is bounded itself, and so is the wait for its reply.
            if Arc::strong_count(client) > IDLE_HANDLES && !client.is_closed() {
                return true;
            }
            let probed = timeout(self.timeout, client.check_connection()).await;
            matches!(probed, Ok(Ok(())))
        }
        .boxed()
    }

    fn leads_to(&self) -> BoxFuture<'_, Option<Server>> {
        async {
            let opened = async {
                let client = self.open(None).await?;
                Server::of(&client).await
            };
            within(self.timeout, opened).await.ok()
        }
        .boxed()
    }
}
