//! History in Redis Streams (or Valkey), for many nodes: one stream is the log, and its scripts give the ids,
//! so that any node can resume any subscriber.
//!
//! # One event's path
//! `append.rs` gathers what is published into one call of a script that takes each batch whole or not
//! at all. `tail.rs` follows the stream on a connection of its own and brings what comes into this
//! node's window, whichever node published it. What this node has appended right behind the tail's position is not
//! read again (`own.rs`). `read.rs` reads what is older than the window. What runs inside of
//! Redis lies in `scripts/`.
//!
//! # Lost entries
//! Redis does not tell a reader that its position was trimmed, or that the log is another one. So every
//! poll of the tail says which epoch the log is of, how far it was trimmed, and whether the entry that
//! was seen last is there (`poll.rs`). Where it is not, a new epoch begins, and every stream receives a gap.
//!
//! # Failover
//! Connections move to a promoted replica one at a time, while the old primary may live on. What the tail
//! follows decides (`Reservations` of `sse_broadcaster::internal`): nothing is acknowledged, or read, that another server took or holds.

#![deny(missing_docs)]

mod append;
mod batches;
mod behind;
mod call;
mod connection;
mod entry;
mod epoch;
mod erase;
mod fill;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod live;
mod log_state;
mod names;
mod newest;
mod nodes;
mod options;
mod own;
mod poll;
mod position_key;
mod presence;
mod read;
mod refusal;
mod script;
mod settings;
mod shared;
mod subscriptions;
mod tail;

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};

use append::Job;
use connection::Address;
use own::ToTail;
use parking_lot::Mutex;
use script::Keys;
use shared::Shared;
use sse_broadcaster::event::{EventId, Selector};
use sse_broadcaster::history::{
    AppendError, Appended, Batch, Bounds, Chunk, Erased, Erasure, From, History, Limit, NameKind,
    NameRange, Names, ReservationGuard, RetainedAt, Stats, Unavailable, Window,
};
use sse_broadcaster_remote::SharedConnection;
use tail::Tail;

pub use connection::BadUrl;
pub use options::RedisOptions;
pub use presence::RedisPresence;
pub use subscriptions::RedisSubscriptions;

/// A history that any number of nodes share. Each node has its own `Redis`, with the same options.
///
/// # Examples
/// ```no_run
/// use std::time::Duration;
/// use sse_broadcaster::{Broadcaster, Options};
/// use sse_broadcaster_redis::{Redis, RedisOptions};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let history = Redis::connect(RedisOptions::new("redis://127.0.0.1:6379").prefix("shop"))?;
/// history.tried(Duration::from_secs(1)).await;
/// let broadcaster = Broadcaster::start(history, Options::default())?;
/// # Ok(())
/// # }
/// ```
pub struct Redis {
    shared: Arc<Shared>,
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    sender: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    /// One for who erases.
    erasing: Semaphore,
    tasks: Vec<JoinHandle<()>>,
}

impl Redis {
    /// Begins to connect, on the current Tokio runtime, and goes on trying for as long as it lives.
    ///
    /// # Errors
    /// [`BadUrl`] when the URL or the prefix cannot be used.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn connect(options: RedisOptions) -> Result<Self, BadUrl> {
        let RedisOptions {
            url,
            prefix,
            retention,
            window,
            timeout,
        } = options;
        let address = Address::parse(&url, timeout)?;
        if prefix.is_empty() || prefix.contains(['{', '}']) {
            return Err(BadUrl(
                "the prefix of the keys is some text without braces".into(),
            ));
        }
        // Of no log yet: a stream that begins now receives a gap when there is one.
        let window = Window::new(window, 0, EventId::new(0, 0)).aged_elsewhere();
        let keys = Keys::new(&prefix);
        let (to_tail, own) = ToTail::new();
        let shared = Arc::new(Shared::new(address, keys, retention, window, to_tail));
        let (queue, jobs) = mpsc::channel(append::MAX_WAITING);
        let keep = |connection: &Arc<SharedConnection<Address>>| {
            tokio::spawn(Arc::clone(connection).keep(shared.address.clone()))
        };
        let mut tasks = vec![keep(&shared.appends), keep(&shared.reads)];
        let watched = Arc::clone(&shared);
        tasks.push(tokio::spawn(async move { watched.watch_address().await }));
        tasks.push(tokio::spawn(Tail::new(Arc::clone(&shared), own).follow()));
        let sender = tokio::spawn(append::send_all(Arc::clone(&shared), jobs));
        Ok(Self {
            queue: Mutex::new(Some(queue)),
            sender: tokio::sync::Mutex::new(Some(sender)),
            erasing: Semaphore::new(1),
            shared,
            tasks,
        })
    }

    /// Waits until the log was reached or a first try has failed, but no longer than this. What is
    /// served from then on begins with a full window.
    pub async fn tried(&self, within: Duration) {
        self.shared.tried(within).await;
    }

    /// A key that all nodes share, beside the log: the one in Redis, or `new`, which is kept then. It is lost with the
    /// other keys, so that a node should ask again from time to time. Dropping the future may leave `new` kept.
    ///
    /// # Errors
    /// Redis cannot be reached, or takes no writes.
    pub async fn position_key(&self, new: [u8; 16]) -> Result<[u8; 16], Unavailable> {
        position_key::keep(&self.shared, new).await
    }

    /// Reports the figures of this node, a short text, under a name that no other node has, beside the log. Returns the
    /// figures of the nodes that have reported within `keep`, the last first, at most 200.
    ///
    /// # Errors
    /// Redis cannot be reached, or takes no writes.
    pub async fn report_node(
        &self,
        node: &str,
        figures: &str,
        keep: Duration,
    ) -> Result<Vec<String>, Unavailable> {
        nodes::report(&self.shared, node, figures, keep).await
    }

    /// The members of topics on all nodes, beside the log.
    #[must_use]
    pub fn presence(&self) -> RedisPresence {
        RedisPresence::new(&self.shared)
    }

    /// The subscriptions of a hub on all nodes, beside the log.
    #[must_use]
    pub fn subscriptions(&self) -> RedisSubscriptions {
        RedisSubscriptions::new(&self.shared)
    }

    /// Where it is, without the password.
    #[must_use]
    pub fn address(&self) -> String {
        self.shared.address.to_string()
    }
}

impl History for Redis {
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
        names::names(&self.shared, kind, range).boxed()
    }

    fn erase(
        &self,
        erasure: Erasure,
        reserved: ReservationGuard,
    ) -> BoxFuture<'_, Result<Erased, AppendError>> {
        async move { erase::erase(&self.shared, &self.erasing, &erasure, reserved).await }.boxed()
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

    /// What is queued is sent, and gets its response; then the connections end.
    fn close(&self) -> BoxFuture<'_, ()> {
        async move {
            self.queue.lock().take();
            if let Some(sender) = self.sender.lock().await.take() {
                let _ = sender.await;
            }
            drop(self.erasing.acquire().await);
            self.erasing.close();
            self.end();
        }
        .boxed()
    }
}

impl Redis {
    fn end(&self) {
        for task in &self.tasks {
            task.abort();
        }
        self.shared.reservations.release_all();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("address", &self.shared.address.to_string())
            .field("window", &self.shared.window)
            .finish_non_exhaustive()
    }
}
