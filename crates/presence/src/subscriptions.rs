//! The subscriptions of all nodes of a hub.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use sse_broadcaster::history::Unavailable;

mod memory;

pub use memory::MemorySubscriptions;

/// Most announcements that wait in a [`SubscriptionStore`]. Beyond it nothing more is written.
pub const MAX_WAITING_ANNOUNCEMENTS: usize = 10_000;

/// The subscriptions of a hub, as all nodes know them. Each node has its own store on the same state.
///
/// A change is in the list before it is announced. A client that reads the newest event's id, and then the list, misses
/// no change with the events after that id.
///
/// A call that fails may have been done. All calls may be repeated.
pub trait SubscriptionStore: fmt::Debug + Send + Sync {
    /// Makes these changes, in their order, as one atomic step that queues an [`Announcement`] for each subscription
    /// that the list did not have, or no longer has. `batch` is greater than that of the batch before; a batch that was
    /// made already changes nothing. `false`: nothing was changed, since [`MAX_WAITING_ANNOUNCEMENTS`] wait.
    fn write<'a>(
        &'a self,
        batch: u64,
        changes: &'a [SubscriptionChange],
    ) -> BoxFuture<'a, Result<bool, Unavailable>>;

    /// Says that this node lives, and ends the subscriptions of nodes that said so no more for two and a half
    /// `heartbeat`s. `written` is how many subscriptions this node has written; `None` if it does not know. Returns
    /// whether this node must write all of its subscriptions again, since the state does not hold them.
    fn beat(
        &self,
        heartbeat: Duration,
        written: Option<usize>,
    ) -> BoxFuture<'_, Result<bool, Unavailable>>;

    /// The oldest queued announcements, in their order: none if there are none, or while another node publishes them.
    fn pending(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Announcement>, Unavailable>>;

    /// Removes the `count` oldest queued announcements, unless the oldest no longer is the one with the key `first`.
    fn published<'a>(
        &'a self,
        first: &'a str,
        count: usize,
    ) -> BoxFuture<'a, Result<(), Unavailable>>;

    /// The oldest subscriptions, in the order in which they began: those of one matcher, or all. There may be fewer
    /// than `limit` where they are long.
    fn list<'a>(
        &'a self,
        matcher: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<HubSubscription>, Unavailable>>;

    /// One subscription.
    fn find<'a>(
        &'a self,
        matcher: &'a str,
        subscriber: &'a str,
    ) -> BoxFuture<'a, Result<Option<HubSubscription>, Unavailable>>;
}

/// One matcher of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubSubscription {
    /// What it subscribes to, with the kind of matcher. Not empty.
    pub matcher: Arc<str>,
    /// The name of the connection, which no other has. It has one subscription by each matcher.
    pub subscriber: Arc<str>,
    /// Data of the subscriber for others, as JSON.
    pub payload: Option<Arc<str>>,
}

/// A subscription of this node that begins or ends. `number` is its name on this node: another for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriptionChange {
    /// It begins.
    Begin {
        /// Its name on this node.
        number: u64,
        /// What begins.
        subscription: HubSubscription,
    },
    /// It ends.
    End {
        /// Its name on this node.
        number: u64,
    },
}

/// A change of the list that was made, and is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// No other announcement has it, and nobody can guess it.
    pub key: Box<str>,
    /// What began or ended.
    pub subscription: HubSubscription,
    /// Whether it began.
    pub is_active: bool,
}
