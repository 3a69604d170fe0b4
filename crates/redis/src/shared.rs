//! What the parts of a history in Redis know together.

use std::{
    collections::HashSet,
    error::Error,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use ::redis::RedisError;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{
    connection::{Address, Server, SharedConnection},
    script::Keys,
};
use sse_broadcaster::{
    event::EventId,
    history::{Bounds, Retention, Stats, Unavailable, Window},
    internal::Reservations,
};

pub(super) struct Shared {
    pub(super) address: Address,
    pub(super) keys: Keys,
    /// Of the log; the window has its own.
    pub(super) retention: Retention,
    pub(super) window: Arc<Window>,
    pub(super) stats: Stats,
    pub(super) reservations: Reservations<Server>,
    pub(super) appends: Arc<SharedConnection>,
    pub(super) reads: Arc<SharedConnection>,
    /// The epoch that appends are for, ahead of the window's where the tail has yet to hear of it; 0
    /// before Redis was reached.
    epoch: AtomicU64,
    log: Mutex<LogBounds>,
    reach: Mutex<Reach>,
    /// Why the last publish failed, until one succeeds.
    failing: Mutex<Option<Unavailable>>,
    /// Connections with numbers below this one are not for the tail any more.
    pub(super) left: AtomicU64,
    pub(super) leave: Notify,
    /// What was logged of Redis' settings.
    warned: Mutex<HashSet<&'static str>>,
    /// The tail has polled the log: in a new epoch, or for the first time.
    pub(super) polled: Notify,
}

/// What the tail last saw of the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogBounds {
    pub(super) floor: EventId,
    pub(super) oldest: Option<EventId>,
    pub(super) events: usize,
    pub(super) bytes: usize,
}

enum Reach {
    /// Nothing was tried yet.
    Unknown,
    Here,
    Unreachable(RedisError),
}

impl Shared {
    pub fn new(address: Address, keys: Keys, retention: Retention, window: Window) -> Self {
        Self {
            address,
            keys,
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

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(super) fn set_epoch(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Release);
    }

    pub(super) fn saw(&self, log: LogBounds) {
        // Redis has dropped them, by its own clock.
        self.window.trim_to(log.floor);
        *self.log.lock() = log;
        self.stats.size_bytes.set(log.bytes as u64);
    }

    pub(super) fn bounds(&self) -> Bounds {
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

    /// Redis cannot be reached: logged once.
    pub(super) fn is_unreachable(&self, why: &RedisError) {
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
    pub(super) fn is_reached(&self) {
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

    pub(super) fn warn_once(&self, warning: &'static str) {
        if self.warned.lock().insert(warning) {
            log::warn!("history at {} {warning}", self.address);
        }
    }

    pub(super) fn has_tried(&self) -> bool {
        !matches!(*self.reach.lock(), Reach::Unknown)
    }

    pub(super) fn unavailable(&self) -> Unavailable {
        match &*self.reach.lock() {
            Reach::Unreachable(why) => {
                let reason = format!("{} is unreachable: {why}", self.address);
                Unavailable::new(reason).with_source(why.clone())
            }
            _ => Unavailable::new(format!("{} is not reached yet", self.address)),
        }
    }

    /// A reason without an error behind it.
    pub(super) fn unavailable_for(&self, why: impl fmt::Display) -> Unavailable {
        Unavailable::new(format!("{}: {why}", self.address))
    }

    pub(super) fn unavailable_by(&self, error: impl Error + Send + Sync + 'static) -> Unavailable {
        self.unavailable_for(&error).with_source(error)
    }

    pub(super) fn follows(&self) -> bool {
        matches!(*self.reach.lock(), Reach::Here)
    }

    pub(super) fn failed(&self, why: Option<Unavailable>) {
        *self.failing.lock() = why;
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failing.lock().is_some()
    }

    pub(super) fn health(&self) -> Result<(), Unavailable> {
        if !self.follows() || self.usable(&self.appends).is_none() {
            return Err(self.unavailable());
        }
        self.failing.lock().clone().map_or(Ok(()), Err)
    }
}
