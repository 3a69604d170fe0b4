//! The open connections, for operators: who they are, how far each one is, and how to cut one.
//!
//! Nothing is kept of a connection unless [`Options::connections`](super::Options::connections) is set. Then its shard
//! keeps what it was described by, 80 bytes, beside its sender, whose cursor is read when an operator asks.

mod explain;
mod id;
mod watch;

use std::{net::IpAddr, sync::Arc, time::SystemTime};

use super::{Broadcaster, EncodedStream, Subscription, reconnects, shard::connections::Seen};
use crate::{
    clock::from_unix_ms,
    event::{EventId, Selector},
    sse::Cursor,
};

pub use super::peer::{HttpVersion, Peer, Transport};
pub use super::shard::connections::GapSent;
pub use explain::{Explanation, Outcome};
pub use id::{ConnectionId, InvalidConnectionId};
pub use watch::DisconnectWatch;

/// An open connection, as of when it was read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// Who it is.
    pub peer: Peer,
    /// When it was opened.
    pub opened: SystemTime,
    /// Which events it gets.
    pub selector: Arc<Selector>,
    /// How many events of any topic are in the log after those that it was sent or did not ask for, as far as the
    /// window holds them.
    pub behind: u64,
    /// The last id that its client was sent; `None` before it was sent one.
    pub last_sent: Option<EventId>,
}

/// Which connections are listed: those that meet all conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionFilter {
    /// Those that asked for events of this topic, by name, by a pattern or by `*`.
    pub topic: Option<String>,
    /// Those of this user.
    pub user: Option<String>,
    /// Those from this address.
    pub address: Option<IpAddr>,
}

impl ConnectionFilter {
    /// Sets [`topic`](Self::topic).
    #[must_use]
    pub fn topic(self, topic: Option<String>) -> Self {
        Self { topic, ..self }
    }

    /// Sets [`user`](Self::user).
    #[must_use]
    pub fn user(self, user: Option<String>) -> Self {
        Self { user, ..self }
    }

    /// Sets [`address`](Self::address).
    #[must_use]
    pub fn address(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }
}

/// One page of connections.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ConnectionPage {
    /// In the order of the shards and of their places there. One that is open all the while is in exactly one page.
    pub found: Vec<Connection>,
    /// Others come after these.
    pub more: bool,
}

impl Broadcaster {
    /// The first connections that meet `filter` after the one that had the id `after`, open or not: at most `limit`.
    /// Those that were not [described](Subscription::describe) are not among them.
    ///
    /// It takes each shard's lock for a bounded time, as often as the shard has some hundreds of subscribers: with many
    /// of them, call it on a thread that may wait.
    ///
    /// ```
    /// use sse_broadcaster::{
    ///     Broadcaster, Memory, Options, Selector, Start, broadcaster::{ConnectionFilter, Peer, Transport},
    ///     history::Retention,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let options = Options::default().connections(true);
    /// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), options)?;
    /// let subscription = broadcaster.subscribe(Selector::topics(&["news"])?, Start::Live)?;
    /// subscription.describe(Peer::new(Transport::Sse).user(Some("anna".into())));
    ///
    /// let page = broadcaster.connections(&ConnectionFilter::default(), None, 100);
    /// assert_eq!(page.found[0].peer.user.as_deref(), Some("anna"));
    /// assert!(broadcaster.disconnect(page.found[0].id));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn connections(
        &self,
        filter: &ConnectionFilter,
        after: Option<ConnectionId>,
        limit: usize,
    ) -> ConnectionPage {
        let mut seen = Vec::new();
        for (number, shard) in (0..).zip(self.inner.shards.all()) {
            let from = match after {
                Some(after) if number < after.shard => continue,
                Some(after) if number == after.shard => after.index.saturating_add(1),
                _ => 0,
            };
            let wanted = limit.saturating_add(1) - seen.len();
            let found = shard.list(from, wanted, |peer, selector| filter.holds(peer, selector));
            seen.extend(found.into_iter().map(|seen| (number, seen)));
            if seen.len() > limit {
                break;
            }
        }
        let more = seen.len() > limit;
        seen.truncate(limit);
        let found = seen
            .into_iter()
            .map(|(shard, seen)| self.shown(shard, seen));
        ConnectionPage {
            found: found.collect(),
            more,
        }
    }

    /// Ends the stream of this connection: its client is sent a reconnection time, and may come back. What is due to
    /// it is not sent any more. False if it is not open.
    ///
    /// A stream whose socket is full ends when it is polled again, unless the server watches for it: see
    /// [`EncodedStream::disconnect_watch`](super::EncodedStream::disconnect_watch).
    #[must_use]
    pub fn disconnect(&self, id: ConnectionId) -> bool {
        let mut shards = self.inner.shards.all();
        let shard = shards.nth(id.shard as usize);
        shard.is_some_and(|shard| shard.disconnect(id.index, id.serial, reconnects::refused()))
    }

    fn seen(&self, id: ConnectionId) -> Option<Seen> {
        let shard = self.inner.shards.all().nth(id.shard as usize)?;
        let mut seen = shard.list(id.index, 1, |_, _| true);
        seen.pop()
            .filter(|seen| (seen.index, seen.serial) == (id.index, id.serial))
    }

    fn shown(&self, shard: u32, seen: Seen) -> Connection {
        let behind = match seen.cursor {
            Cursor::Opening => 0,
            Cursor::Live(_) => {
                let (pushed, _) = self.inner.window.pushed();
                pushed.saturating_sub(seen.shard_position.number)
            }
            Cursor::Due(id) => self.inner.window.count_after(id),
        };
        Connection {
            id: ConnectionId {
                shard,
                index: seen.index,
                serial: seen.serial,
            },
            peer: seen.peer,
            opened: from_unix_ms(seen.opened_ms),
            selector: seen.selector,
            behind,
            last_sent: seen.last_sent,
        }
    }
}

impl ConnectionFilter {
    fn holds(&self, peer: &Peer, selector: &Selector) -> bool {
        let is_address = |address| peer.address == Some(address);
        let is_user = |user: &String| peer.user.as_deref() == Some(user);
        self.address.is_none_or(is_address)
            && self.user.as_ref().is_none_or(is_user)
            && (self.topic.as_ref()).is_none_or(|topic| selector.selects_topic(topic))
    }
}

impl Subscription {
    /// Has the stream listed among [`Broadcaster::connections`], where these are kept.
    pub fn describe(&self, peer: Peer) {
        self.shard().describe(self.index(), peer);
    }
}

impl EncodedStream {
    /// See [`Subscription::describe`].
    pub fn describe(&self, peer: Peer) {
        self.subscription().describe(peer);
    }

    /// Whether an operator has [ended](Broadcaster::disconnect) the stream.
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        let subscription = self.subscription();
        subscription.shard().is_disconnected(subscription.index())
    }

    /// Notices that an operator [ends](Broadcaster::disconnect) the stream while it is not polled, as when its socket
    /// is full. `None` if it was not [described](Self::describe), or connections are not kept.
    #[must_use]
    pub fn disconnect_watch(&self) -> Option<DisconnectWatch> {
        let subscription = self.subscription();
        let (shard, index) = (subscription.shard(), subscription.index());
        Some(DisconnectWatch {
            serial: shard.serial(index)?,
            shard: Arc::clone(shard),
            index,
        })
    }
}
