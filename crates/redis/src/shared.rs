//! What the parts of a history in Redis know together.

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

use ::redis::{RedisError, aio::MultiplexedConnection};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::{
    connection::{Address, Lane, Numbered, Server},
    holds::{Holds, Standing},
    script::Keys,
};
use parking_lot::Mutex;
use sse_broadcaster::internal::first_sequence;
use sse_broadcaster::{
    event::EventId,
    history::{Bounds, Retention, Stats, Unavailable, Window},
};

/// How long something waits for a connection while another one is there.
const LANE_WITHIN: Duration = Duration::from_millis(900);

/// How often it is looked whether the address leads to another server.
const LOOK_WHERE_EVERY: Duration = Duration::from_secs(5);

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
    /// Why the last publish failed, until one succeeds.
    failing: Mutex<Option<Unavailable>>,
    /// Connections with numbers below this one are not for the tail any more.
    left: AtomicU64,
    leave: Notify,
    /// What was logged of Redis' settings.
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
            failing: Mutex::default(),
            left: AtomicU64::new(0),
            leave: Notify::new(),
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
    pub(super) fn is_unreachable(&self, why: RedisError) {
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
        self.looked.notify_waiters();
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

    /// The lane's connection to the server that the tail follows; waits for it while the tail has one.
    pub(super) async fn connection(&self, lane: &Lane) -> Result<Numbered, Unavailable> {
        let found = match self.usable(lane) {
            None if self.follows() => timeout(LANE_WITHIN, self.come_to_usable(lane)).await.ok(),
            found => found,
        };
        found.ok_or_else(|| self.unavailable())
    }

    async fn come_to_usable(&self, lane: &Lane) -> Numbered {
        loop {
            let (up, looked) = (lane.up.notified(), self.looked.notified());
            tokio::pin!(up, looked);
            up.as_mut().enable();
            looked.as_mut().enable();
            if let Some(connection) = self.usable(lane) {
                return connection;
            }
            tokio::select! {
                () = up => {}
                () = looked => {}
            }
        }
    }

    /// The lane's connection, if it leads to the server that the tail follows. Where it does not, the
    /// older of the two connections is dropped: the address has led elsewhere since.
    pub(super) fn usable(&self, lane: &Lane) -> Option<Numbered> {
        let connection = lane.get()?;
        let standing = self.holds.last_standing()?;
        if connection.server == standing.server {
            return Some(connection);
        }
        if connection.number < standing.connection {
            lane.drop_broken(&connection);
        } else {
            self.leave(standing);
        }
        None
    }

    /// Has the tail follow what the address leads to now.
    pub(super) fn leave(&self, standing: Standing) {
        let left = self
            .left
            .fetch_max(standing.connection + 1, Ordering::AcqRel);
        if left <= standing.connection {
            self.leave.notify_one();
        }
    }

    /// Leaves a server that its open connections go on being served by, though the address leads to
    /// another one. Never ends.
    pub(super) async fn watch_address(self: Arc<Self>) {
        loop {
            sleep(LOOK_WHERE_EVERY).await;
            let Some(standing) = self.holds.standing() else {
                continue;
            };
            let leads_to = self.address.leads_to().await;
            if leads_to.is_some_and(|server| server != standing.server) {
                self.leave(standing);
            }
        }
    }

    /// Until the tail is to leave the connection of this number.
    pub(super) async fn has_left(&self, connection: u64) {
        while self.left.load(Ordering::Acquire) <= connection {
            self.leave.notified().await;
        }
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

    /// Begins another epoch in place of `ended`, or finds that another node has. `is_lossy`: something
    /// of what there was is lost.
    pub(super) async fn begin_epoch(
        &self,
        connection: &mut MultiplexedConnection,
        server: Server,
        ended: Option<u64>,
        is_lossy: bool,
    ) -> Result<u64, RedisError> {
        let epoch = fastrand::u64(1..u64::MAX);
        let head = self.window.bounds().head;
        let last = self.holds.last_standing();
        let promised = last.and_then(|last| self.holds.promised(last.epoch));
        let newest = promised.map_or(head, |promised| promised.max(head));
        let seen = last.map_or(String::new(), |last| format!("{}={newest}", last.server));
        let mut call = super::script::EPOCH.call(&self.keys.all());
        call.arg(ended.map_or(String::new(), |epoch| epoch.to_string()))
            .arg(epoch)
            .arg(newest.ms())
            .arg(u8::from(is_lossy))
            .arg(server.to_string())
            .arg(first_sequence())
            .arg(seen);
        let reply = super::script::run(&call, connection).await?;
        let [current] = super::entry::parts(reply)?;
        let current = super::entry::number(current)?;
        if current == epoch && is_lossy {
            log::warn!(
                "history at {} is not what it was: a new epoch begins, and open streams receive a gap",
                self.address
            );
        }
        Ok(current)
    }
}
