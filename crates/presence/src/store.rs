//! The members of all nodes.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use sse_broadcaster::history::Unavailable;

/// The members of all topics, as all nodes know them. Each node has its own `Store` on the same state.
///
/// A call that fails may have been done. All calls may be repeated.
pub trait Store: fmt::Debug + Send + Sync {
    /// Sets how many connections this node has for some users and topics. Each change is one atomic step, which queues
    /// a [`Pending`] if a user has joined or left, and if a topic has its first connection or has lost its last.
    fn write<'a>(&'a self, changes: &'a [Change]) -> BoxFuture<'a, Result<(), Unavailable>>;

    /// Says that this node lives, and removes the members of nodes that said so no more for two and a half
    /// `heartbeat`s. `written` is how many changes with connections this node has written; `None` if it does not know.
    fn beat(
        &self,
        heartbeat: Duration,
        written: Option<usize>,
    ) -> BoxFuture<'_, Result<Beat, Unavailable>>;

    /// The oldest queued changes, in their order: none if there are none, or while another node publishes them.
    fn pending(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Pending>, Unavailable>>;

    /// Removes the `count` oldest queued changes, unless the oldest no longer is the one with the key `first`.
    fn published<'a>(
        &'a self,
        first: &'a str,
        count: usize,
    ) -> BoxFuture<'a, Result<(), Unavailable>>;

    /// How many users and connections a topic has.
    fn counts<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<Counts, Unavailable>>;

    /// The users of a topic, in the order of their bytes, from the one after `after`.
    fn members<'a>(
        &'a self,
        topic: &'a str,
        after: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Members, Unavailable>>;

    /// Whether this node may write the topic's signal now. No node may within `interval` from then.
    fn claim_signal<'a>(
        &'a self,
        topic: &'a str,
        interval: Duration,
    ) -> BoxFuture<'a, Result<bool, Unavailable>>;

    /// Whether the members are still there after all nodes have ended.
    fn outlives_nodes(&self) -> bool;
}

/// How many connections this node has for a user and a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The topic.
    pub topic: Arc<str>,
    /// The user; `None` for all connections without one.
    pub user: Option<Arc<str>>,
    /// 0 removes the user from this node.
    pub connections: u32,
    /// Data of the user for others, as JSON.
    pub data: Option<Arc<str>>,
}

impl Change {
    /// So many connections, without data.
    #[must_use]
    pub fn new(topic: impl Into<Arc<str>>, user: Option<Arc<str>>, connections: u32) -> Self {
        Self {
            topic: topic.into(),
            user,
            connections,
            data: None,
        }
    }

    /// Sets the data of the user for others, as JSON.
    #[must_use]
    pub fn data(self, data: impl Into<Arc<str>>) -> Self {
        let data = Some(data.into());
        Self { data, ..self }
    }
}

/// The result of a node's heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Beat {
    /// The state does not hold what this node has written: it was lost, or the node was taken for dead. The node must
    /// write all of its connections again.
    pub is_lost: bool,
    /// Topics that lost members with nodes that ended.
    pub swept: Vec<Arc<str>>,
}

impl Beat {
    /// Whether the node must write everything again, and which topics lost members.
    #[must_use]
    pub fn new(is_lost: bool, swept: Vec<Arc<str>>) -> Self {
        Self { is_lost, swept }
    }
}

/// A change that was made, and is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// No other change has it, and nobody can guess it.
    pub key: Box<str>,
    /// The topic.
    pub topic: Arc<str>,
    /// What changed.
    pub kind: PendingKind,
}

/// What changed on a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PendingKind {
    /// A user has the first connection.
    Join {
        /// Who.
        user: Arc<str>,
        /// Data of the user, as JSON.
        data: Option<Arc<str>>,
        /// How many users the topic has now.
        users: u64,
    },
    /// A user has no connection any more.
    Leave {
        /// Who.
        user: Arc<str>,
        /// Data of the user, as JSON.
        data: Option<Arc<str>>,
        /// How many users the topic has now.
        users: u64,
    },
    /// The topic has its first connection.
    FirstSubscriber,
    /// The topic has no connection any more.
    LastSubscriber,
}

/// How many are on a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Users, each once.
    pub users: u64,
    /// Connections, with and without a user.
    pub connections: u64,
}

/// A user on a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: Arc<str>,
    /// Data of the user, as JSON.
    pub data: Option<Arc<str>>,
}

/// A page of the users on a topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Members {
    /// In the order of the bytes of their names.
    pub found: Vec<Member>,
    /// Others come after these.
    pub more: bool,
}

impl Members {
    /// The first `limit` of those that were found where one more was asked for.
    #[must_use]
    pub fn page(mut found: Vec<Member>, limit: usize) -> Self {
        let more = found.len() > limit;
        found.truncate(limit);
        Self { found, more }
    }
}
