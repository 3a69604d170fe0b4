//! What readers see of the log, as of the last commit.

use std::sync::Arc;

use parking_lot::RwLock;

use super::{
    append::{Group, Log},
    record::Standing,
    store::Store,
};
use crate::{
    event::EventId,
    history::{
        Bounds, NameRange, Names, Retain, RetainedAt, Stats, Unavailable, Window,
        retained::Retained,
    },
};

pub(super) struct Shared {
    pub(super) window: Arc<Window>,
    pub(super) stats: Stats,
    /// No await under it, and no work of the engine.
    current: RwLock<Current>,
}

struct Current {
    /// `None` while it is closed.
    store: Option<Arc<Store>>,
    /// Why publishes are refused.
    refusing: Option<Unavailable>,
    standing: Standing,
    oldest: Option<EventId>,
    retained: Retained,
}

impl Shared {
    pub(super) fn new(window: Arc<Window>, log: &Log, oldest: Option<EventId>) -> Self {
        Self {
            window,
            stats: Stats::default(),
            current: RwLock::new(Current {
                store: Some(Arc::clone(&log.store)),
                refusing: None,
                standing: log.standing,
                oldest,
                retained: log.retained.clone(),
            }),
        }
    }

    pub(super) fn store(&self) -> Result<Arc<Store>, Unavailable> {
        let store = self.current.read().store.clone();
        store.ok_or_else(|| self.why())
    }

    pub(super) fn health(&self) -> Result<(), Unavailable> {
        self.current.read().refusing.clone().map_or(Ok(()), Err)
    }

    pub(super) fn why(&self) -> Unavailable {
        let refusing = self.current.read().refusing.clone();
        refusing.unwrap_or_else(|| Unavailable("the log is closed".into()))
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
        for key in &group.retained {
            let (value, at) = log.retained.get(key).unzip();
            let key = key.clone();
            let at = at.unwrap_or(log.standing.head);
            current.retained.write(Retain { key, value }, at);
        }
    }

    /// Nobody gets hold of the engine from here on.
    pub(super) fn close(&self, why: &str) -> Option<Arc<Store>> {
        let current = &mut *self.current.write();
        current.refusing = Some(Unavailable(why.to_owned()));
        current.store.take()
    }

    pub(super) fn reopen(&self, log: &Log, oldest: Option<EventId>) {
        let current = &mut *self.current.write();
        *current = Current {
            store: Some(Arc::clone(&log.store)),
            refusing: None,
            standing: log.standing,
            oldest,
            retained: log.retained.clone(),
        };
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
