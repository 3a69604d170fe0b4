//! The members of a single node, in memory.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    ops::Bound,
    sync::Arc,
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use parking_lot::Mutex;
use sse_broadcaster::history::Unavailable;
use tokio::time::Instant;

use crate::store::{Beat, Change, Counts, Member, Members, Pending, PendingKind, Store};

/// Most changes that wait to be published. Beyond it the oldest are dropped.
const MAX_PENDING: usize = 100_000;

/// The members of a single node. They end with the process.
#[derive(Default)]
pub struct MemoryStore(Mutex<State>);

#[derive(Default)]
struct State {
    topics: HashMap<Arc<str>, Topic>,
    pending: VecDeque<Pending>,
    /// When each signal was written last, for as long as that matters.
    claims: HashMap<Arc<str>, Instant>,
    dropped: u64,
}

#[derive(Default)]
struct Topic {
    users: BTreeMap<Arc<str>, User>,
    anonymous: u32,
    connections: u64,
}

struct User {
    connections: u32,
    data: Option<Arc<str>>,
}

impl MemoryStore {
    /// No members yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl State {
    fn apply(&mut self, change: &Change) {
        let topic = self.topics.entry(Arc::clone(&change.topic)).or_default();
        let before = topic.connections;
        let mut kinds = Vec::new();
        let changed = if let Some(user) = &change.user {
            topic.set_user(user, change)
        } else {
            let old = std::mem::replace(&mut topic.anonymous, change.connections);
            topic.count(old, change.connections);
            None
        };
        let after = topic.connections;
        if before == 0 && after > 0 {
            kinds.push(PendingKind::FirstSubscriber);
        }
        kinds.extend(changed);
        if before > 0 && after == 0 {
            kinds.push(PendingKind::LastSubscriber);
        }
        if after == 0 {
            self.topics.remove(&change.topic);
        }
        for kind in kinds {
            self.queue(&change.topic, kind);
        }
    }

    fn queue(&mut self, topic: &Arc<str>, kind: PendingKind) {
        if self.pending.len() == MAX_PENDING {
            self.pending.pop_front();
            if self.dropped == 0 {
                log::warn!(
                    "presence: {MAX_PENDING} changes wait for history; the oldest are dropped"
                );
            }
            self.dropped += 1;
        }
        self.pending.push_back(Pending {
            key: random_key(),
            topic: Arc::clone(topic),
            kind,
        });
    }
}

impl Topic {
    fn count(&mut self, old: u32, new: u32) {
        self.connections = self.connections + u64::from(new) - u64::from(old);
    }

    fn set_user(&mut self, user: &Arc<str>, change: &Change) -> Option<PendingKind> {
        let known = self.users.get(user);
        let old = known.map_or(0, |known| known.connections);
        let data = known.map_or_else(|| change.data.clone(), |known| known.data.clone());
        self.count(old, change.connections);
        if change.connections == 0 {
            self.users.remove(user);
        } else {
            let user = Arc::clone(user);
            let connections = change.connections;
            self.users.insert(
                user,
                User {
                    connections,
                    data: data.clone(),
                },
            );
        }
        let (user, users) = (Arc::clone(user), self.users.len() as u64);
        match (old, change.connections) {
            (0, 1..) => Some(PendingKind::Join { user, data, users }),
            (1.., 0) => Some(PendingKind::Leave { user, data, users }),
            _ => None,
        }
    }
}

/// A key that no other change has, and that nobody can guess.
pub(crate) fn random_key() -> Box<str> {
    format!("{:032x}", fastrand::u128(..)).into()
}

/// Removes the oldest changes, unless the oldest no longer is the one with the key `first`.
pub(crate) fn remove_published<T>(
    pending: &mut VecDeque<T>,
    key_of: impl Fn(&T) -> &str,
    first: &str,
    count: usize,
) {
    if pending
        .front()
        .is_some_and(|oldest| key_of(oldest) == first)
    {
        pending.drain(..count.min(pending.len()));
    }
}

pub(crate) fn done<'a, T: Send + 'a>(result: T) -> BoxFuture<'a, Result<T, Unavailable>> {
    ready(Ok(result)).boxed()
}

impl Store for MemoryStore {
    fn write<'a>(&'a self, changes: &'a [Change]) -> BoxFuture<'a, Result<(), Unavailable>> {
        let mut state = self.0.lock();
        for change in changes {
            state.apply(change);
        }
        drop(state);
        done(())
    }

    fn beat(&self, _: Duration, _: Option<usize>) -> BoxFuture<'_, Result<Beat, Unavailable>> {
        done(Beat::default())
    }

    fn pending(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Pending>, Unavailable>> {
        done(self.0.lock().pending.iter().take(limit).cloned().collect())
    }

    fn published<'a>(
        &'a self,
        first: &'a str,
        count: usize,
    ) -> BoxFuture<'a, Result<(), Unavailable>> {
        let pending = &mut self.0.lock().pending;
        remove_published(pending, |pending| &pending.key, first, count);
        done(())
    }

    fn counts<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<Counts, Unavailable>> {
        let state = self.0.lock();
        let topic = state.topics.get(topic);
        done(topic.map_or_else(Counts::default, |topic| Counts {
            users: topic.users.len() as u64,
            connections: topic.connections,
        }))
    }

    fn members<'a>(
        &'a self,
        topic: &'a str,
        after: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Members, Unavailable>> {
        let state = self.0.lock();
        let Some(topic) = state.topics.get(topic) else {
            return done(Members::default());
        };
        let after = match after {
            "" => Bound::Unbounded,
            after => Bound::Excluded(after),
        };
        let mut users = topic.users.range::<str, _>((after, Bound::Unbounded));
        let member = |(user, known): (&Arc<str>, &User)| Member {
            user: Arc::clone(user),
            data: known.data.clone(),
        };
        let found = users.by_ref().take(limit).map(member).collect();
        let more = users.next().is_some();
        done(Members { found, more })
    }

    fn claim_signal<'a>(
        &'a self,
        topic: &'a str,
        interval: Duration,
    ) -> BoxFuture<'a, Result<bool, Unavailable>> {
        let now = Instant::now();
        let claims = &mut self.0.lock().claims;
        claims.retain(|_, at| now.duration_since(*at) < interval);
        let is_free = !claims.contains_key(topic);
        if is_free {
            claims.insert(topic.into(), now);
        }
        done(is_free)
    }

    fn outlives_nodes(&self) -> bool {
        false
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("topics", &self.0.lock().topics.len())
            .finish_non_exhaustive()
    }
}
