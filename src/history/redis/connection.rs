//! Ways to Redis: where it is, and connections that come back by themselves.

use std::{fmt, sync::Arc, time::Duration};

use ::redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, RedisError, aio::MultiplexedConnection,
};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::script;
use crate::sync::Mutex;

/// How long a connection may take to be made, with its authentication.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// How long a reply may take on a connection that nothing blocks.
pub(super) const REPLY_WITHIN: Duration = Duration::from_secs(1);
/// How often an idle connection is asked whether it still answers.
const PROBE_EVERY: Duration = Duration::from_secs(1);
const SHORTEST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);

/// The URL of Redis cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadUrl(pub(super) String);

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}; write redis://user:password@host:6379/0, or rediss:// for TLS",
            self.0
        )
    }
}

impl std::error::Error for BadUrl {}

/// Where Redis is. What it shows of itself is free of the password.
#[derive(Clone)]
pub(super) struct Address {
    client: Client,
    text: String,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, BadUrl> {
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
        Ok(Self { client, text })
    }

    pub(super) async fn connect(
        &self,
        reply_within: Duration,
    ) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(reply_within));
        let connecting = async {
            let mut connection = self
                .client
                .get_multiplexed_async_connection_with_config(&config)
                .await?;
            script::load_all(&mut connection).await?;
            Ok(connection)
        };
        timeout(CONNECT_WITHIN, connecting)
            .await
            .unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Waits that double up to a bound, each with a random part, so that nodes do not come in step.
#[derive(Default)]
pub(super) struct Backoff(u32);

impl Backoff {
    pub(super) fn next(&mut self) -> Duration {
        let most = LONGEST_BACKOFF.min(SHORTEST_BACKOFF * (1 << self.0.min(16)));
        self.0 += 1;
        most.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    pub(super) fn reset(&mut self) {
        self.0 = 0;
    }
}

/// A connection that many share, kept up by [`Lane::keep`]. Whoever finds it down does not wait.
#[derive(Default)]
pub(super) struct Lane {
    connection: Mutex<Option<Numbered>>,
    broken: Notify,
    up: Notify,
    /// Somebody else has reached Redis, so that it is worth a try at once.
    hint: Notify,
}

#[derive(Clone)]
pub(super) struct Numbered {
    pub(super) connection: MultiplexedConnection,
    number: u64,
}

impl Lane {
    pub(super) fn get(&self) -> Option<Numbered> {
        self.connection.lock().clone()
    }

    /// Waits for it, where it is known that Redis is there.
    pub(super) async fn get_within(&self, within: Duration) -> Option<Numbered> {
        let got = async {
            loop {
                let up = self.up.notified();
                tokio::pin!(up);
                up.as_mut().enable();
                if let Some(connection) = self.get() {
                    return connection;
                }
                up.await;
            }
        };
        timeout(within, got).await.ok()
    }

    /// This one is of no use any more; a later one stays.
    pub(super) fn drop_broken(&self, broken: &Numbered) {
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
    pub(super) async fn keep(self: Arc<Self>, address: Address) {
        let mut backoff = Backoff::default();
        for number in 0.. {
            let connected = tokio::select! {
                connected = address.connect(REPLY_WITHIN) => connected,
                // What is under way may be waiting for a reply that was lost.
                () = self.hint.notified() => continue,
            };
            if let Ok(connection) = connected {
                backoff.reset();
                let mine = Numbered { connection, number };
                *self.connection.lock() = Some(mine.clone());
                self.up.notify_waiters();
                self.watch(mine).await;
            }
            let _ = timeout(backoff.next(), self.hint.notified()).await;
        }
    }

    /// Until it is broken.
    async fn watch(&self, mut mine: Numbered) {
        loop {
            tokio::select! {
                () = self.broken.notified() => return,
                () = sleep(PROBE_EVERY) => {}
            }
            let probe = ::redis::cmd("PING");
            if probe.query_async::<()>(&mut mine.connection).await.is_err() {
                self.drop_broken(&mine);
            }
        }
    }
}

/// Whether the command was surely not carried out: Redis says so itself.
pub(super) fn is_refusal(error: &RedisError) -> bool {
    const REFUSALS: [&str; 17] = [
        "LOADING",
        "READONLY",
        "OOM",
        "MISCONF",
        "NOAUTH",
        "WRONGPASS",
        "NOPERM",
        "BUSY",
        "MASTERDOWN",
        "NOREPLICAS",
        "CLUSTERDOWN",
        "CROSSSLOT",
        "MOVED",
        "ASK",
        "TRYAGAIN",
        "NOSCRIPT",
        "NOPROTO",
    ];
    error.code().is_some_and(|code| REFUSALS.contains(&code))
}

/// Another connection may do better: this one is broken, or leads to what is no primary (any more).
pub(super) fn is_lost(error: &RedisError) -> bool {
    const ELSEWHERE: [&str; 5] = ["LOADING", "READONLY", "MASTERDOWN", "NOAUTH", "MOVED"];
    match error.code() {
        Some(code) => ELSEWHERE.contains(&code),
        None => true,
    }
}
