//! The connections of this node, and which of them are not written to the store yet.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use crate::store::Change;

/// Most connections that ended and still count. Beyond it the oldest end at once.
const MAX_GRACES: usize = 1_000_000;

/// A topic and a user; `None` for all connections without one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) topic: Arc<str>,
    pub(crate) user: Option<Arc<str>>,
}

/// The connections of this node. Its lock is held for a few map accesses, and never across an await.
pub(crate) struct Local {
    state: Mutex<State>,
    /// Something has to be written, or a grace has begun.
    pub(crate) changed: Notify,
    grace: Duration,
}

#[derive(Default)]
struct State {
    entries: HashMap<Key, Entry>,
    /// Entries whose connections are not as the store has them.
    unwritten: HashSet<Key>,
    /// Connections that ended, in the order in which they stop counting.
    graces: VecDeque<(Instant, Key)>,
    /// How many entries the store has.
    written: usize,
}

#[derive(Default)]
struct Entry {
    open: u32,
    /// Connections that ended and still count.
    lingering: u32,
    /// Graces of which a new connection has taken the place: the next ones to end, which then change nothing.
    replaced: u32,
    /// The connections that the store has.
    written: u32,
    data: Option<Arc<str>>,
}

impl Entry {
    fn connections(&self) -> u32 {
        self.open + self.lingering
    }

    fn is_needless(&self) -> bool {
        self.connections() == 0 && self.written == 0 && self.replaced == 0
    }
}

impl Local {
    pub(crate) fn new(grace: Duration) -> Self {
        Self {
            state: Mutex::default(),
            changed: Notify::new(),
            grace,
        }
    }

    /// How many topics and users have connections.
    pub(crate) fn len(&self) -> usize {
        self.state.lock().entries.len()
    }

    /// Counts one more connection. `data` is called for the first of a user.
    pub(crate) fn join(&self, keys: &[Key], data: impl Fn(&str) -> Option<Arc<str>>) {
        let mut state = self.state.lock();
        for key in keys {
            let entry = state.entries.entry(key.clone()).or_default();
            if entry.connections() == 0 && key.user.is_some() {
                entry.data = data(&key.topic);
            }
            entry.open += 1;
            if entry.lingering > 0 {
                entry.lingering -= 1;
                entry.replaced += 1;
            }
            state.compare(key);
        }
        let has_changes = !state.unwritten.is_empty();
        drop(state);
        if has_changes {
            self.changed.notify_one();
        }
    }

    /// A connection has ended; it counts for the grace that follows.
    pub(crate) fn leave(&self, keys: &[Key]) {
        let until = Instant::now() + self.grace;
        let mut state = self.state.lock();
        for key in keys {
            if let Some(entry) = state.entries.get_mut(key) {
                entry.open = entry.open.saturating_sub(1);
                entry.lingering += 1;
                state.graces.push_back((until, key.clone()));
            }
        }
        while state.graces.len() > MAX_GRACES {
            state.end_grace();
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Ends the graces that are over, and returns when the next one will be.
    pub(crate) fn end_graces(&self, now: Instant) -> Option<Instant> {
        let mut state = self.state.lock();
        while let Some((until, _)) = state.graces.front() {
            if *until > now {
                return Some(*until);
            }
            state.end_grace();
        }
        None
    }

    /// Some of the changes that are not written to the store yet.
    pub(crate) fn unwritten(&self, max: usize) -> Vec<Change> {
        let state = self.state.lock();
        let keys = state.unwritten.iter().take(max);
        keys.map(|key| {
            let entry = state.entries.get(key);
            Change {
                topic: Arc::clone(&key.topic),
                user: key.user.clone(),
                connections: entry.map_or(0, Entry::connections),
                data: entry.and_then(|entry| entry.data.clone()),
            }
        })
        .collect()
    }

    /// The store has been told this.
    pub(crate) fn set_written(&self, changes: &[Change]) {
        let mut state = self.state.lock();
        for change in changes {
            let key = Key {
                topic: Arc::clone(&change.topic),
                user: change.user.clone(),
            };
            if let Some(entry) = state.entries.get_mut(&key) {
                let before = std::mem::replace(&mut entry.written, change.connections);
                state.written =
                    state.written + usize::from(change.connections > 0) - usize::from(before > 0);
            }
            state.compare(&key);
        }
    }

    /// How many entries the store has; `None` while that is not known, since something is to be written.
    pub(crate) fn written(&self) -> Option<usize> {
        let state = self.state.lock();
        state.unwritten.is_empty().then_some(state.written)
    }

    /// The store has nothing of this node.
    pub(crate) fn forget_written(&self) {
        let mut state = self.state.lock();
        let state = &mut *state;
        state.written = 0;
        for entry in state.entries.values_mut() {
            entry.written = 0;
        }
        state.entries.retain(|_, entry| !entry.is_needless());
        let unwritten = state.entries.iter();
        let unwritten = unwritten.filter(|(_, entry)| entry.connections() > 0);
        state.unwritten = unwritten.map(|(key, _)| key.clone()).collect();
        self.changed.notify_one();
    }
}

impl State {
    fn end_grace(&mut self) {
        let Some((_, key)) = self.graces.pop_front() else {
            return;
        };
        if let Some(entry) = self.entries.get_mut(&key) {
            if entry.replaced > 0 {
                entry.replaced -= 1;
            } else {
                entry.lingering = entry.lingering.saturating_sub(1);
            }
        }
        self.compare(&key);
    }

    /// Notes whether an entry has to be written to the store, and drops one that nobody needs.
    fn compare(&mut self, key: &Key) {
        let Some(entry) = self.entries.get(key) else {
            self.unwritten.remove(key);
            return;
        };
        if entry.connections() == entry.written {
            self.unwritten.remove(key);
        } else {
            self.unwritten.insert(key.clone());
        }
        if entry.is_needless() {
            self.entries.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(user: &str) -> Key {
        Key {
            topic: "room".into(),
            user: Some(user.into()),
        }
    }

    fn connections(local: &Local) -> Vec<u32> {
        let changes = local.unwritten(10);
        local.set_written(&changes);
        changes.iter().map(|change| change.connections).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_hundred_reloads_leave_nothing_to_write_and_the_last_leave_is_written_after_its_grace()
     {
        let (almost, rest) = (Duration::from_millis(9_999), Duration::from_millis(1));
        let (local, keys) = (Local::new(almost + rest), [key("17")]);
        local.join(&keys, |_| None);
        assert_eq!(connections(&local), [1]);
        for _ in 0..100 {
            local.leave(&keys);
            tokio::time::advance(Duration::from_millis(300)).await;
            local.end_graces(Instant::now());
            local.join(&keys, |_| None);
            assert_eq!(connections(&local), [0_u32; 0]);
        }
        local.leave(&keys);
        tokio::time::advance(almost).await;
        assert!(local.end_graces(Instant::now()).is_some());
        assert_eq!(connections(&local), [0_u32; 0]);
        tokio::time::advance(rest).await;
        assert_eq!(local.end_graces(Instant::now()), None);
        assert_eq!(connections(&local), [0]);
        assert!(local.state.lock().entries.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn users_who_come_and_go_while_nothing_can_be_written_leave_nothing_behind() {
        let local = Local::new(Duration::ZERO);
        for user in 0..1_000 {
            let keys = [key(&user.to_string())];
            local.join(&keys, |_| None);
            local.leave(&keys);
            local.end_graces(Instant::now());
        }
        let state = local.state.lock();
        assert!(state.entries.is_empty() && state.unwritten.is_empty() && state.graces.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_store_was_lost_everybody_who_is_there_is_written_again() {
        let local = Local::new(Duration::from_secs(10));
        local.join(&[key("17"), key("18")], |_| None);
        assert_eq!(connections(&local), [1, 1]);
        assert_eq!(local.written(), Some(2));
        local.forget_written();
        assert_eq!(local.written(), None);
        assert_eq!(connections(&local), [1, 1]);
        assert_eq!(local.written(), Some(2));
    }
}
