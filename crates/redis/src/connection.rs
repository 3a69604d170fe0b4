//! Where Redis is, and connections to it that are made anew where they break.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ::redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, RedisError, aio::MultiplexedConnection,
};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::{refusal, script};
use parking_lot::Mutex;
use sse_broadcaster::internal::Backoff;

/// How often an idle connection is checked for a response.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// The URL or the prefix of Redis cannot be used. It has no source, since that may repeat the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}; write redis://user:password@host:6379/0, or rediss:// for TLS")]
pub struct BadUrl(pub(super) String);

/// Where Redis is. What it shows of itself is free of the password.
#[derive(Clone)]
pub(crate) struct Address {
    client: Client,
    text: String,
    made: Arc<AtomicU64>,
    /// How long a connection may take to be made, with its authentication, and a reply on one that nothing blocks.
    pub(super) timeout: Duration,
}

/// The run id of a server process; 0 where it may not be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Server(u128);

impl Server {
    /// From the reply to `INFO`.
    fn of(info: &str) -> Self {
        let digits = line_of(info, "run_id").and_then(|id| id.get(..32));
        Self(digits.map_or(0, |id| u128::from_str_radix(id, 16).unwrap_or(0)))
    }

    pub(super) fn parse(text: &str) -> Self {
        Self(u128::from_str_radix(text, 16).unwrap_or(0))
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The value of a line of the reply to `INFO`.
pub(super) fn line_of<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let value = info
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.map(str::trim)
}

impl Address {
    pub(super) fn parse(url: &str, timeout: Duration) -> Result<Self, BadUrl> {
        // What the library says of a URL may repeat it, with the password.
        let client = Client::open(url).map_err(|_| BadUrl("this is no URL of Redis".into()))?;
        let info = client.get_connection_info();
        let db = info.redis_settings().db();
        let text = match info.addr() {
            ConnectionAddr::TcpTls { insecure: true, .. } => {
                return Err(BadUrl("a certificate is always checked".into()));
            }
            ConnectionAddr::Tcp(host, port) => format!("redis://{host}:{port}/{db}"),
            ConnectionAddr::TcpTls { host, port, .. } => format!("rediss://{host}:{port}/{db}"),
            other => other.to_string(),
        };
        Ok(Self {
            client,
            text,
            made: Arc::default(),
            timeout,
        })
    }

    pub(super) async fn connect(&self, reply_within: Duration) -> Result<Connection, RedisError> {
        let connecting = async {
            let mut connected = self.open(reply_within).await?;
            script::load_all(&mut connected.multiplexed).await?;
            Ok(connected)
        };
        timeout(self.timeout, connecting)
            .await
            .unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
    }

    async fn open(&self, reply_within: Duration) -> Result<Connection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(reply_within));
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let mut multiplexed = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let server = identify(&mut multiplexed).await?;
        Ok(Connection {
            multiplexed,
            number,
            server,
        })
    }

    /// The primary that a new connection leads to, if there is one.
    pub(super) async fn leads_to(&self) -> Option<Server> {
        let opened = timeout(self.timeout, self.open(self.timeout)).await;
        Some(opened.ok()?.ok()?.server)
    }
}

/// Which server this is. A replica is refused: it takes no events, and those that it has may lag.
async fn identify(connection: &mut MultiplexedConnection) -> Result<Server, RedisError> {
    let info = match ::redis::cmd("INFO").query_async::<String>(connection).await {
        Ok(info) => info,
        // It may not be asked for.
        Err(error) if error.code().is_some() && !refusal::is_lost(&error) => return Ok(Server(0)),
        Err(error) => return Err(error),
    };
    if line_of(&info, "role") == Some("slave") {
        return Err(std::io::Error::other("this is a replica, and a primary is needed").into());
    }
    Ok(Server::of(&info))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A connection that many share, kept up by [`SharedConnection::keep`]. Whoever finds it down does not wait.
#[derive(Default)]
pub(super) struct SharedConnection {
    connection: Mutex<Option<Connection>>,
    broken: Notify,
    pub(super) up: Notify,
    /// Somebody else has reached Redis, so that it is worth a try at once.
    hint: Notify,
}

#[derive(Clone)]
pub(super) struct Connection {
    pub(super) multiplexed: MultiplexedConnection,
    /// Increases with each connection that this process opens.
    pub(super) number: u64,
    pub(super) server: Server,
}

impl SharedConnection {
    pub(super) fn get(&self) -> Option<Connection> {
        self.connection.lock().clone()
    }

    /// This one is of no use any more; a later one stays.
    pub(super) fn drop_broken(&self, broken: &Connection) {
        let mut connection = self.connection.lock();
        if connection
            .as_ref()
            .is_some_and(|c| c.number == broken.number)
        {
            *connection = None;
            self.broken.notify_one();
        }
    }

    pub(super) fn try_now(&self) {
        // Also for who is about to wait.
        self.hint.notify_one();
    }

    /// Never ends.
    pub async fn keep(self: Arc<Self>, address: Address) {
        let mut backoff = Backoff::default();
        loop {
            let connected = tokio::select! {
                connected = address.connect(address.timeout) => connected,
                // What is under way may be waiting for a reply that was lost.
                () = self.hint.notified() => continue,
            };
            if let Ok(mine) = connected {
                backoff.reset();
                *self.connection.lock() = Some(mine.clone());
                self.up.notify_waiters();
                self.watch(mine).await;
            }
            let _ = timeout(backoff.next_wait(), self.hint.notified()).await;
        }
    }

    /// Until it is broken.
    async fn watch(&self, mut mine: Connection) {
        loop {
            tokio::select! {
                () = self.broken.notified() => return,
                () = sleep(PROBE_EVERY) => {}
            }
            let probe = ::redis::cmd("PING");
            if probe
                .query_async::<()>(&mut mine.multiplexed)
                .await
                .is_err()
            {
                self.drop_broken(&mine);
            }
        }
    }
}
