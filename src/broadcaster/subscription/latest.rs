//! The last events of topics that a stream is sent before those that follow: where it begins without a position, and
//! behind a gap.
//!
//! They come in the order of their ids, each newer than the position of the client, and before any notice with a later
//! position. A client that is cut between two of them goes on after the first one, and lacks nothing.

use futures_util::future::{BoxFuture, FutureExt as _};

use super::{Stage, Step, Subscription, next::send};
use crate::{
    broadcaster::{
        item::Item,
        replay::latest::{LatestPart, LatestRange, selects_latest},
    },
    event::EventId,
    history::Unavailable,
    sse::Notice,
};

/// Boxed, since most streams never do.
pub(super) struct ReadingLatest {
    pub(super) reading: BoxFuture<'static, Result<LatestPart, Unavailable>>,
    /// What is sent behind them; the first has the position where the stream goes on.
    then: Vec<Item>,
}

impl Subscription {
    /// Whether the stream is sent the last events of some topics.
    pub(super) fn has_latest(&self) -> bool {
        self.state.is_none() && selects_latest(&self.inner.options.topic_rules, &self.selector)
    }

    /// Begins a stream at this position, which is the head or the one before.
    pub(super) fn begin_with_latest(&mut self, at: EventId) {
        let connected = Item::Notice(Notice::Connected(self.shown(at)));
        let range = LatestRange {
            after: EventId::new(0, 0),
            up_to: at,
        };
        self.send_latest(range, vec![connected]);
    }

    /// Sends the gap, then what the client does not have, and then what follows: the client had come to `client_at`, and
    /// the stream goes on after `at`.
    pub(super) fn send_latest_behind_gap(
        &mut self,
        gap: Notice,
        (client_at, at): (EventId, EventId),
        then: Vec<Item>,
    ) -> Step {
        // A position beyond is of another log.
        let after = Some(client_at).filter(|id| *id <= at);
        let range = LatestRange {
            after: after.unwrap_or(EventId::new(0, 0)),
            up_to: at,
        };
        self.send_latest(range, then);
        send(gap)
    }

    fn send_latest(&mut self, range: LatestRange, then: Vec<Item>) {
        // Until they are all sent, a client that is cut keeps the id that it has.
        self.connected = false;
        let replays = &self.inner.replays;
        let rules = &self.inner.options.topic_rules;
        let reading = replays.read_latest(rules, &self.selector, range);
        let reading = match self.waits_until() {
            Some(until) => replays.delayed(until, reading),
            None => reading.boxed(),
        };
        self.stage = Stage::Latest(Box::new(ReadingLatest { reading, then }));
    }

    pub(super) fn has_read_latest(&mut self, read: Result<LatestPart, Unavailable>) -> Step {
        let Stage::Latest(latest) = std::mem::replace(&mut self.stage, Stage::Open) else {
            return Step::Again;
        };
        let Ok(LatestPart { events, rest }) = read else {
            return self.refuse();
        };
        if let Some(events) = &events {
            self.inner.stats.replayed.add(events.count() as u64);
            self.inner.stats.delivered.add(events.count() as u64);
        }
        let events = events.map(Item::Events);
        if let Some(range) = rest {
            self.send_latest(range, latest.then);
            return events.map_or(Step::Again, Step::Send);
        }
        self.connected = true;
        let items: Vec<_> = events.into_iter().chain(latest.then).collect();
        self.send_all(items)
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests;
