//! Where Redis is, and connections to it.

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
use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::time::timeout;

use super::{refusal, script};
use sse_broadcaster_remote::{Connected, Database};

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

    pub(super) async fn connect_with(
        &self,
        reply_within: Duration,
    ) -> Result<Connection, RedisError> {
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

#[derive(Clone)]
pub(super) struct Connection {
    pub(super) multiplexed: MultiplexedConnection,
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
    type Error = RedisError;

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn connect(&self) -> BoxFuture<'_, Result<Connection, RedisError>> {
        self.connect_with(self.timeout).boxed()
    }

    fn probe<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, bool> {
        let mut multiplexed = connection.multiplexed.clone();
        async move {
            let probe = ::redis::cmd("PING");
            probe.query_async::<()>(&mut multiplexed).await.is_ok()
        }
        .boxed()
    }

    fn leads_to(&self) -> BoxFuture<'_, Option<Server>> {
        async {
            let opened = timeout(self.timeout, self.open(self.timeout)).await;
            Some(opened.ok()?.ok()?.server)
        }
        .boxed()
    }
}
