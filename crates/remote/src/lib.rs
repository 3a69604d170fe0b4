//! What the histories of sse-broadcaster in a database have in common: connections that are made anew where they break,
//! which of them is used, and what this node knows of the log and of its database. For the crates of this workspace
//! alone: it changes with any release.

#![deny(missing_docs)]

mod acknowledge;
mod connection;
mod routing;

use std::{
    collections::HashSet,
    error::Error,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::timeout};

use sse_broadcaster::{
    event::EventId,
    history::{Bounds, Retention, Stats, Unavailable, Window},
    internal::Reservations,
};

pub use acknowledge::Landed;
pub use connection::{Connected, SharedConnection};

/// The database that a log is in. What it shows of itself has no password.
pub trait Database: fmt::Display + Clone + Send + Sync + 'static {
    /// A connection to it.
    type Connection: Connected;
    /// Why it cannot be reached.
    type Error: Error + Clone + Send + Sync + 'static;

    /// How long a connection may take to be made, and a reply.
    fn timeout(&self) -> Duration;

    /// Connects to the primary.
    fn connect(&self) -> BoxFuture<'_, Result<Self::Connection, Self::Error>>;

    /// Whether a connection responds.
    fn probe<'a>(&'a self, connection: &'a Self::Connection) -> BoxFuture<'a, bool>;

    /// The primary that a new connection leads to, if there is one.
    fn leads_to(&self) -> BoxFuture<'_, Option<ServerOf<Self>>>;
}

/// What tells one server of a database from another.
pub type ServerOf<D> = <<D as Database>::Connection as Connected>::Server;

/// A log in a database, as one node knows it.
pub struct RemoteLog<D: Database> {
    /// Where the log is.
    pub address: D,
    /// Of the log; the window has its own.
    pub retention: Retention,
    /// The newest events.
    pub window: Arc<Window>,
    /// What is counted.
    pub stats: Stats,
    /// What publishers wait for.
    pub reservations: Reservations<ServerOf<D>>,
    /// The connection of appends.
    pub appends: Arc<SharedConnection<D>>,
    /// The connection of reads.
    pub reads: Arc<SharedConnection<D>>,
    /// The tail has polled the log: in a new epoch, or for the first time.
    pub polled: Notify,
    /// The epoch that appends are for, ahead of the window's where the tail has yet to hear of it; 0 before the
    /// database was reached.
    epoch: AtomicU64,
    log: Mutex<LogBounds>,
    reach: Mutex<Reach<D::Error>>,
    /// Why the last publish failed, until one succeeds.
    failing: Mutex<Option<Unavailable>>,
    /// Connections with numbers below this one are not for the tail any more.
    left: AtomicU64,
    leave: Notify,
    /// What was logged of the database's settings.
    warned: Mutex<HashSet<&'static str>>,
}

/// What the tail last saw of the log.
#[derive(Debug, Clone, Copy)]
pub struct LogBounds {
    /// The last id that retention dropped, or the birth id.
    pub floor: EventId,
    /// The oldest event.
    pub oldest: Option<EventId>,
    /// How many events there are.
    pub events: usize,
    /// Their bytes.
    pub bytes: usize,
}

enum Reach<E> {
    /// Nothing was tried yet.
    Unknown,
    Here,
    Unreachable(E),
}

impl<D: Database> fmt::Debug for RemoteLog<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteLog")
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}

impl<D: Database> RemoteLog<D> {
    /// A log that was not reached yet.
    pub fn new(address: D, retention: Retention, window: Window) -> Self {
        Self {
            address,
            retention,
            window: Arc::new(window),
            stats: Stats::default(),
            reservations: Reservations::default(),
            appends: Arc::default(),
            reads: Arc::default(),
            epoch: AtomicU64::new(0),
            log: Mutex::new(LogBounds {
                floor: EventId::new(0, 0),
                oldest: None,
                events: 0,
                bytes: 0,
            }),
            reach: Mutex::new(Reach::Unknown),
            failing: Mutex::default(),
            left: AtomicU64::new(0),
            leave: Notify::new(),
            polled: Notify::new(),
            warned: Mutex::default(),
        }
    }

    /// The epoch that appends are for; 0 before the database was reached.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Appends are for this epoch from now on.
    pub fn set_epoch(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Release);
    }

    /// The tail has seen the log.
    pub fn saw(&self, log: LogBounds) {
        // The log has dropped them, by its own clock.
        self.window.trim_to(log.floor);
        *self.log.lock() = log;
        self.stats.size_bytes.set(log.bytes as u64);
    }

    /// What the log held when the tail saw it last.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        let window = self.window.bounds();
        let log = *self.log.lock();
        Bounds {
            epoch: window.epoch,
            trim_floor: log.floor,
            oldest: log.oldest,
            head: window.head,
            events: log.events,
            bytes: log.bytes,
        }
    }

    /// The database cannot be reached: logged once.
    pub fn is_unreachable(&self, why: &D::Error) {
        let unreachable = Reach::Unreachable(why.clone());
        let before = std::mem::replace(&mut *self.reach.lock(), unreachable);
        if !matches!(before, Reach::Unreachable(_)) {
            log::warn!(
                "history at {} is unreachable ({why}): open streams stay open, publishes are refused until it \
                 recovers; it is retried",
                self.address
            );
        }
    }

    /// The tail follows the log (again).
    pub fn is_reached(&self) {
        let before = std::mem::replace(&mut *self.reach.lock(), Reach::Here);
        if matches!(before, Reach::Here) {
            return;
        }
        self.appends.try_now();
        self.reads.try_now();
        self.polled.notify_waiters();
        if let Reach::Unreachable(_) = before {
            self.stats.reconnects.add(1);
            log::info!("history at {} has recovered", self.address);
        }
    }

    /// Logs a warning about the database's settings, once.
    pub fn warn_once(&self, warning: &'static str) {
        if self.warned.lock().insert(warning) {
            log::warn!("history at {} {warning}", self.address);
        }
    }

    /// Whether a try to reach the log has succeeded or failed.
    #[must_use]
    pub fn has_tried(&self) -> bool {
        !matches!(*self.reach.lock(), Reach::Unknown)
    }

    /// Why the log cannot be reached.
    #[must_use]
    pub fn unavailable(&self) -> Unavailable {
        match &*self.reach.lock() {
            Reach::Unreachable(why) => {
                let reason = format!("{} is unreachable: {why}", self.address);
                Unavailable::new(reason).with_source(why.clone())
            }
            _ => Unavailable::new(format!("{} is not reached yet", self.address)),
        }
    }

    /// A reason without an error behind it.
    #[must_use]
    pub fn unavailable_for(&self, why: impl fmt::Display) -> Unavailable {
        Unavailable::new(format!("{}: {why}", self.address))
    }

    /// This error as the reason.
    #[must_use]
    pub fn unavailable_by(&self, error: impl Error + Send + Sync + 'static) -> Unavailable {
        self.unavailable_for(&error).with_source(error)
    }

    /// Whether the tail follows the log now.
    #[must_use]
    pub fn follows(&self) -> bool {
        matches!(*self.reach.lock(), Reach::Here)
    }

    /// Whether the last publish has failed, and why.
    pub fn failed(&self, why: Option<Unavailable>) {
        *self.failing.lock() = why;
    }

    /// Whether the last publish has failed.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.failing.lock().is_some()
    }

    /// Whether appends are possible, as far as is known.
    ///
    /// # Errors
    /// Why they are not.
    pub fn health(&self) -> Result<(), Unavailable> {
        if !self.follows() || self.usable(&self.appends).is_none() {
            return Err(self.unavailable());
        }
        self.failing.lock().clone().map_or(Ok(()), Err)
    }

    /// Waits until the log was reached or a first try has failed, but no longer than this.
    pub async fn tried(&self, within: Duration) {
        let tried = async {
            loop {
                let polled = self.polled.notified();
                tokio::pin!(polled);
                polled.as_mut().enable();
                if self.has_tried() {
                    return;
                }
                polled.await;
            }
        };
        let _ = timeout(within, tried).await;
    }
}
