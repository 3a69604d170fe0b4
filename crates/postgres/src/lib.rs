//! History in PostgreSQL, for many nodes: a table is the log, and functions of its schema give the ids, so that any
//! node can resume any subscriber. Applications publish within their own transactions by an outbox.
//!
//! # One event's path
//! `append.rs` gathers what is published into one transaction that takes each batch whole or not at all. It holds the
//! lock of the one row of `head` until its commit, so that positions come in the order of commits and no reader passes
//! one that is still to come. `tail.rs` follows the log on a connection of its own and brings what comes into this
//! node's window, whichever node published it: a notification tells that there is something, and a poll reads it.
//! `read.rs` reads what is older than the window. `outbox.rs` moves into the log what waits in the outbox. `presence.rs`
//! and `subscriptions.rs` keep beside the log who is on which topic. What runs inside of PostgreSQL lies in `sql/`.
//!
//! # Lost events
//! Every poll of the tail says which epoch the log is of, how far it was trimmed, and whether the event that
//! was seen last is there (`poll.rs`). Where it is not, a new epoch begins, and every stream receives a gap.
//!
//! # Failover
//! Connections move to a promoted standby one at a time, while the old primary may live on. What the tail
//! follows decides (`Reservations`): nothing is acknowledged, or read, that another server took or holds.

#![deny(missing_docs)]

mod address;
mod append;
mod beside;
mod call;
mod connection;
mod epoch;
mod erase;
mod error;
mod fill;
mod live;
mod newest;
mod options;
mod outbox;
mod poll;
mod presence;
mod read;
mod rows;
mod schema;
mod settings;
mod shared;
mod statements;
mod subscriptions;
mod tail;
mod tls;
mod upkeep;

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt};
use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};

use address::Address;
use append::Job;
use shared::Shared;
use sse_broadcaster::event::{EventId, Selector};
use sse_broadcaster::history::{
    AppendError, Appended, Batch, Bounds, Chunk, Erased, Erasure, From, History, Limit, NameKind,
    NameRange, Names, ReservationGuard, RetainedAt, Stats, Unavailable, Window,
};
use sse_broadcaster_remote::SharedConnection;
use tail::Tail;

pub use address::BadUrl;
pub use options::PostgresOptions;
pub use presence::PostgresPresence;
pub use subscriptions::PostgresSubscriptions;

/// A history that any number of nodes share. Each node has its own `Postgres`, with the same options.
///
/// # Examples
/// ```no_run
/// use std::time::Duration;
/// use sse_broadcaster::{Broadcaster, Options};
/// use sse_broadcaster_postgres::{Postgres, PostgresOptions};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let options = PostgresOptions::new("postgres://sse:password@127.0.0.1/shop");
/// let history = Postgres::connect(options)?;
/// history.tried(Duration::from_secs(1)).await;
/// let broadcaster = Broadcaster::start(history, Options::default())?;
/// # Ok(())
/// # }
/// ```
pub struct Postgres {
    shared: Arc<Shared>,
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    /// One step of an erasure at a time.
    erasures: Arc<Semaphore>,
    sender: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Postgres {
    /// Begins to connect, on the current Tokio runtime, and goes on trying for as long as it lives.
    ///
    /// # Errors
    /// [`BadUrl`] when the URL or the name of the schema cannot be used.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn connect(options: PostgresOptions) -> Result<Self, BadUrl> {
        let PostgresOptions {
            url,
            schema,
            retention,
            window,
            max_event_bytes,
            timeout,
            topic_rules,
        } = options;
        let address = Address::parse(&url, &schema, max_event_bytes, timeout)?;
        // Of no log yet: a stream that begins now receives a gap when there is one.
        let window = Window::new(window, 0, EventId::new(0, 0)).aged_elsewhere();
        let shared = Arc::new(Shared::new(address, retention, window, topic_rules));
        let (queue, jobs) = mpsc::channel(append::MAX_WAITING);
        let keep = |connection: &Arc<SharedConnection<Address>>| {
            let connection = Arc::clone(connection);
            tokio::spawn(connection.keep(shared.address.clone()))
        };
        let mut tasks = vec![keep(&shared.appends), keep(&shared.reads)];
        let watched = Arc::clone(&shared);
        tasks.push(tokio::spawn(async move { watched.watch_address().await }));
        tasks.push(tokio::spawn(Tail::new(Arc::clone(&shared)).follow()));
        let sender = tokio::spawn(append::send_all(Arc::clone(&shared), jobs));
        Ok(Self {
            queue: Mutex::new(Some(queue)),
            erasures: Arc::new(Semaphore::new(1)),
            sender: tokio::sync::Mutex::new(Some(sender)),
            shared,
            tasks,
        })
    }

    /// Waits until the log was reached or a first try has failed, but no longer than this. What is
    /// served from then on begins with a full window.
    pub async fn tried(&self, within: Duration) {
        self.shared.tried(within).await;
    }

    /// A key that all nodes share, beside the log: the one that is kept, or `new`, which is kept then. Dropping the
    /// future may leave `new` kept.
    ///
    /// # Errors
    /// PostgreSQL cannot be reached, or takes no writes.
    pub async fn position_key(&self, new: [u8; 16]) -> Result<[u8; 16], Unavailable> {
        beside::keep_position_key(&self.shared, new).await
    }

    /// Reports the figures of this node, a short text, under a name that no other node has, beside the log. Returns the
    /// figures of the nodes that have reported within `keep`, the last first, at most 200.
    ///
    /// # Errors
    /// PostgreSQL cannot be reached, or takes no writes.
    pub async fn report_node(
        &self,
        node: &str,
        figures: &str,
        keep: Duration,
    ) -> Result<Vec<String>, Unavailable> {
        beside::report_node(&self.shared, node, figures, keep).await
    }

    /// The members of topics on all nodes, beside the log. It opens a connection of its own when it is used first.
    #[must_use]
    pub fn presence(&self) -> PostgresPresence {
        PostgresPresence::new(&self.shared)
    }

    /// The subscriptions of a hub on all nodes, beside the log. It opens a connection of its own when it is used first.
    #[must_use]
    pub fn subscriptions(&self) -> PostgresSubscriptions {
        PostgresSubscriptions::new(&self.shared)
    }

    /// Where it is, without the user and the password.
    #[must_use]
    pub fn address(&self) -> String {
        self.shared.address.to_string()
    }

    fn end(&self) {
        for task in &self.tasks {
            task.abort();
        }
        self.shared.reservations.release_all();
    }
}

impl History for Postgres {
    fn append(
        &self,
        batch: Batch,
        reserved: ReservationGuard,
    ) -> BoxFuture<'_, Result<Appended, AppendError>> {
        let queue = self.queue.lock().clone();
        async move {
            match queue {
                Some(queue) => append::append(&self.shared, &queue, batch, reserved).await,
                None => Err(AppendError::Unavailable(Unavailable::new("it is closed"))),
            }
        }
        .boxed()
    }

    fn read<'a>(
        &'a self,
        from: From<'a>,
        selector: &'a Selector,
        limit: Limit,
    ) -> BoxFuture<'a, Result<Chunk, Unavailable>> {
        read::read(&self.shared, from, selector, limit).boxed()
    }

    fn erase(
        &self,
        erasure: Erasure,
        reserved: ReservationGuard,
    ) -> BoxFuture<'_, Result<Erased, AppendError>> {
        erase::erase(&self.shared, &self.erasures, erasure, reserved).boxed()
    }

    fn tail(&self) -> Arc<Window> {
        Arc::clone(&self.shared.window)
    }

    fn retained<'a>(
        &'a self,
        keys: &'a [&'a str],
    ) -> BoxFuture<'a, Result<RetainedAt, Unavailable>> {
        read::retained(&self.shared, keys).boxed()
    }

    fn names<'a>(
        &'a self,
        kind: NameKind,
        range: NameRange<'a>,
    ) -> BoxFuture<'a, Result<Names, Unavailable>> {
        beside::names(&self.shared, kind, range).boxed()
    }

    fn bounds(&self) -> Bounds {
        self.shared.bounds()
    }

    fn stats(&self) -> &Stats {
        &self.shared.stats
    }

    fn health(&self) -> Result<(), Unavailable> {
        self.shared.health()
    }

    /// What is queued is sent, and gets its response, and an erasure that is under way ends; then the connections end.
    fn close(&self) -> BoxFuture<'_, ()> {
        async move {
            self.queue.lock().take();
            if let Some(sender) = self.sender.lock().await.take() {
                let _ = sender.await;
            }
            if self.erasures.acquire().await.is_ok() {
                self.erasures.close();
            }
            self.end();
        }
        .boxed()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("address", &self.shared.address.to_string())
            .field("window", &self.shared.window)
            .finish_non_exhaustive()
    }
}
