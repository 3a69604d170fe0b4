//! What readers see of the log, as of the last commit.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use parking_lot::RwLock;
use tokio::sync::Notify;

use super::{
    engine::{Fault, Store},
    log::{Group, Log},
    lost::LostRanges,
    record::Standing,
};
use sse_broadcaster::internal::{Retained, Steps};
use sse_broadcaster::{
    event::EventId,
    history::{Bounds, NameRange, Names, Retain, RetainedAt, Stats, Unavailable, Window},
};

pub(super) struct Shared {
    pub(super) window: Arc<Window>,
    pub(super) stats: Stats,
    /// No await under it, and no work of the engine.
    current: RwLock<Current>,
    /// A read met what cannot be read; the writer has not repaired it yet.
    is_damaged: AtomicBool,
    /// The engine was closed and is open again, or cannot be opened.
    pub(super) repaired: Notify,
}

struct Current {
    /// `None` while it is closed.
    store: Option<Arc<Store>>,
    /// It is closed for this.
    is_in_repair: bool,
    /// Why publishes are refused.
    refusing: Option<Unavailable>,
    standing: Standing,
    oldest: Option<EventId>,
    retained: Retained,
    /// Which events cannot be read any more.
    lost: Arc<LostRanges>,
    /// When the clock went back.
    steps: Arc<Steps>,
}

/// Of the log, beside its events.
pub(super) struct Known {
    pub(super) oldest: Option<EventId>,
    pub(super) lost: Arc<LostRanges>,
    pub(super) steps: Arc<Steps>,
}

impl Current {
    /// An open log that takes events.
    fn of(log: &Log, oldest: Option<EventId>) -> Self {
        Self {
            store: Some(Arc::clone(&log.store)),
            is_in_repair: false,
            refusing: None,
            standing: log.standing,
            oldest,
            retained: log.retained.clone(),
            lost: Arc::new(log.lost.clone()),
            steps: Arc::new(log.steps.clone()),
        }
    }

    fn why(&self) -> Unavailable {
        let refusing = self.refusing.clone();
        refusing.unwrap_or_else(|| Unavailable::new("the log is closed"))
    }
}

impl Shared {
    pub(super) fn new(window: Arc<Window>, log: &Log, oldest: Option<EventId>) -> Self {
        Self {
            window,
            stats: Stats::default(),
            current: RwLock::new(Current::of(log, oldest)),
            is_damaged: AtomicBool::new(false),
            repaired: Notify::new(),
        }
    }

    /// [`Fault::Stopped`] while it is being repaired.
    pub(super) fn store(&self) -> Result<Arc<Store>, Fault> {
        let current = self.current.read();
        match &current.store {
            Some(store) => Ok(Arc::clone(store)),
            None if current.is_in_repair => Err(Fault::Stopped),
            None => Err(current.why().into()),
        }
    }

    /// What a read has to take into account of the log.
    pub(super) fn known(&self) -> Known {
        let current = self.current.read();
        Known {
            oldest: current.oldest,
            lost: Arc::clone(&current.lost),
            steps: Arc::clone(&current.steps),
        }
    }

    pub(super) fn retained_values(&self) -> Retained {
        self.current.read().retained.clone()
    }

    pub(super) fn met_damage(&self) {
        self.is_damaged.store(true, Ordering::Relaxed);
    }

    /// Whether a read has met damage since this was asked last.
    pub(super) fn take_damage(&self) -> bool {
        self.is_damaged.swap(false, Ordering::Relaxed)
    }

    pub(super) fn health(&self) -> Result<(), Unavailable> {
        self.current.read().refusing.clone().map_or(Ok(()), Err)
    }

    pub(super) fn why(&self) -> Unavailable {
        self.current.read().why()
    }

    pub(super) fn bounds(&self) -> Bounds {
        let current = self.current.read();
        let standing = &current.standing;
        Bounds {
            epoch: standing.epoch,
            trim_floor: standing.floor,
            oldest: current.oldest,
            head: standing.head,
            events: usize::try_from(standing.events()).unwrap_or(usize::MAX),
            bytes: usize::try_from(standing.bytes).unwrap_or(usize::MAX),
        }
    }

    pub(super) fn retained(&self, keys: &[&str]) -> RetainedAt {
        let current = self.current.read();
        RetainedAt {
            head: current.standing.head,
            values: keys.iter().map(|key| current.retained.get(key)).collect(),
        }
    }

    pub(super) fn retained_keys(&self, range: NameRange<'_>) -> Names {
        self.current.read().retained.keys(range)
    }

    /// A group was committed.
    pub(super) fn advance(&self, log: &Log, oldest: Option<EventId>, group: &Group) {
        let current = &mut *self.current.write();
        current.standing = log.standing;
        current.oldest = oldest;
        if current.lost.first() != log.lost.first() {
            current.lost = Arc::new(log.lost.clone());
        }
        if *current.steps != log.steps {
            current.steps = Arc::new(log.steps.clone());
        }
        for key in &group.retained {
            let (value, at) = log.retained.get(key).unzip();
            let at = at.unwrap_or(log.standing.head);
            current.retained.write(Retain::new(key, value), at);
        }
    }

    /// Nobody gets hold of the engine from here on.
    pub(super) fn close(&self, why: Unavailable, is_in_repair: bool) -> Option<Arc<Store>> {
        let current = &mut *self.current.write();
        current.is_in_repair = is_in_repair;
        current.refusing = Some(why);
        current.store.take()
    }

    /// It cannot be opened for now.
    pub(super) fn stays_closed(&self, why: Unavailable) {
        let current = &mut *self.current.write();
        current.is_in_repair = false;
        current.refusing = Some(why);
    }

    pub(super) fn reopen(&self, log: &Log, oldest: Option<EventId>) {
        *self.current.write() = Current::of(log, oldest);
    }

    /// True the first time.
    pub(super) fn is_full(&self, why: &Unavailable) -> bool {
        self.current.write().refusing.replace(why.clone()).is_none()
    }

    /// True the first time.
    pub(super) fn has_room_again(&self) -> bool {
        self.current.write().refusing.take().is_some()
    }
}
