//! What the parts of a history in Redis know together.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ::redis::{RedisError, aio::MultiplexedConnection};
use tokio::sync::Notify;

use super::{
    connection::{Address, Lane, Numbered},
    holds::Holds,
    script::Keys,
};
use crate::{
    event::EventId,
    history::{Bounds, Retention, Stats, Unavailable, Window},
    sync::Mutex,
};

/// How long something waits for a connection while another one is there.
const LANE_WITHIN: Duration = Duration::from_millis(900);

pub(super) struct Shared {
    pub(super) address: Address,
    pub(super) keys: Keys,
    /// Of the log; the window has its own.
    pub(super) retention: Retention,
    pub(super) window: Arc<Window>,
    pub(super) stats: Stats,
    pub(super) holds: Holds,
    pub(super) appends: Arc<Lane>,
    pub(super) reads: Arc<Lane>,
    /// The epoch that appends are for, ahead of the window's where the tail has yet to hear of it; 0
    /// before Redis was reached.
    epoch: AtomicU64,
    log: Mutex<LogBounds>,
    reach: Mutex<Reach>,
    /// What the operator was told of Redis' settings.
    warned: Mutex<HashSet<&'static str>>,
    /// The tail has looked at the log: in a new epoch, or for the first time.
    pub(super) looked: Notify,
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
    Away(String),
}

impl Shared {
    pub(super) fn new(address: Address, keys: Keys, retention: Retention, window: Window) -> Self {
        Self {
            address,
            keys,
            retention,
            window: Arc::new(window),
            stats: Stats::default(),
            holds: Holds::default(),
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
            looked: Notify::new(),
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
        *self.log.lock() = log;
        self.stats.size_bytes.set(log.bytes as u64);
    }

    pub(super) fn bounds(&self) -> Bounds {
        self.window.expire();
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

    /// Redis cannot be reached: said once.
    pub(super) fn is_away(&self, why: &str) {
        let before = std::mem::replace(&mut *self.reach.lock(), Reach::Away(why.to_owned()));
        if !matches!(before, Reach::Away(_)) {
            log::warn!(
                "history at {} is away ({why}): open streams stay, publishes are refused until it is \
                 there; trying on",
                self.address
            );
        }
    }

    /// The tail follows the log (again).
    pub(super) fn is_here(&self) {
        let before = std::mem::replace(&mut *self.reach.lock(), Reach::Here);
        if matches!(before, Reach::Here) {
            return;
        }
        self.appends.try_now();
        self.reads.try_now();
        self.looked.notify_waiters();
        if let Reach::Away(_) = before {
            self.stats.reconnects.add(1);
            log::info!("history at {} is there", self.address);
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
            Reach::Away(why) => Unavailable(format!("{} is away: {why}", self.address)),
            _ => Unavailable(format!("{} is not reached yet", self.address)),
        }
    }

    /// The lane's connection; waits for it while the tail has one.
    pub(super) async fn connection(&self, lane: &Lane) -> Result<Numbered, Unavailable> {
        let found = match lane.get() {
            None if self.follows() => lane.get_within(LANE_WITHIN).await,
            found => found,
        };
        found.ok_or_else(|| self.unavailable())
    }

    fn follows(&self) -> bool {
        matches!(*self.reach.lock(), Reach::Here)
    }

    pub(super) fn health(&self) -> Result<(), Unavailable> {
        if self.follows() && self.appends.get().is_some() {
            return Ok(());
        }
        Err(self.unavailable())
    }

    /// Begins another epoch in place of `ended`, or finds that another node has. `is_lossy`: something
    /// of what there was is lost.
    pub(super) async fn begin_epoch(
        &self,
        connection: &mut MultiplexedConnection,
        ended: Option<u64>,
        is_lossy: bool,
    ) -> Result<u64, RedisError> {
        let Keys { log, meta, own, .. } = &self.keys;
        let epoch = fastrand::u64(1..u64::MAX);
        let mut call = super::script::EPOCH.call(&[log, meta, own]);
        call.arg(ended.map_or(String::new(), |epoch| epoch.to_string()))
            .arg(epoch)
            .arg(self.window.bounds().head.ms())
            .arg(u8::from(is_lossy));
        let reply = super::script::run(&call, connection).await?;
        let [current] = super::entry::parts(reply)?;
        let current = super::entry::number(current)?;
        if current == epoch && is_lossy {
            log::warn!(
                "history at {} is not what it was: a new epoch begins, and open streams are told of a gap",
                self.address
            );
        }
        Ok(current)
    }
}
