//! Why a connection was or was not sent an event.

use std::time::SystemTime;

use super::{Connection, ConnectionId, GapSent};
use crate::{
    broadcaster::{Broadcaster, replay::origin::find_event, shard::connections::Seen},
    clock::from_unix_ms,
    event::EventId,
    history::{Found, Unavailable},
};

/// What became of an event for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was handed to the connection. Whether the client has read it is not known.
    Sent,
    /// It is due, and the connection has not come to it yet.
    Pending,
    /// The connection did not ask for any of its topics.
    NoMatch,
    /// The connection asked for it and may not read it.
    NoGrant,
    /// The connection begins after it.
    BeforeStart,
    /// History had lost it before the connection came to it, and the client was sent a gap.
    Gap,
    /// History has no event of this id.
    UnknownEvent,
}

/// The answer to why a connection was or was not sent an event.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Explanation {
    /// What became of the event.
    pub outcome: Outcome,
    /// The event, if history has it.
    pub event: Option<Found>,
    /// The connection.
    pub connection: Connection,
    /// The connection has everything that matches after this one; `None` while it is opened.
    pub begins_after: Option<EventId>,
    /// The gap that the connection was sent in place of the event.
    pub gap: Option<GapSent>,
    /// When the event was offered to the connection, to about 10 ms; `None` if it was sent from history, or if that is
    /// not known any more.
    pub offered: Option<SystemTime>,
}

impl Broadcaster {
    /// Why the connection was or was not sent the event of this id. `None` if the connection is not open.
    ///
    /// Dropping the future has no effect.
    ///
    /// # Errors
    /// History cannot be reached.
    pub async fn explain(
        &self,
        connection: ConnectionId,
        event: EventId,
    ) -> Result<Option<Explanation>, Unavailable> {
        let found = find_event(&*self.inner.history, event).await?;
        // After the event: what history had then was offered before.
        let Some(seen) = self.seen(connection) else {
            return Ok(None);
        };
        let outcome = outcome(&seen, event, found.as_ref());
        let offered = match outcome {
            Outcome::Sent => self.offered(connection, event, seen.opened_ms),
            _ => None,
        };
        Ok(Some(Explanation {
            outcome,
            event: found,
            begins_after: seen.begins_after,
            gap: seen.gap_with(event),
            offered,
            connection: self.shown(connection.shard, seen),
        }))
    }

    fn offered(&self, id: ConnectionId, event: EventId, opened_ms: u64) -> Option<SystemTime> {
        let shard = self.inner.shards.all().nth(id.shard as usize)?;
        let offered_ms = shard.offered_ms(event)?;
        // An earlier one is from history: a shard without streams does not walk, and the next walk offers it.
        (event.ms() >= opened_ms && offered_ms >= opened_ms).then(|| from_unix_ms(offered_ms))
    }
}

fn outcome(seen: &Seen, id: EventId, found: Option<&Found>) -> Outcome {
    let Some(found) = found else {
        return if seen.gap_with(id).is_some() {
            Outcome::Gap
        } else {
            Outcome::UnknownEvent
        };
    };
    let (selector, fields) = (&seen.selector, found.fields());
    if !fields
        .topics
        .iter()
        .any(|topic| selector.selects_topic(topic))
    {
        return Outcome::NoMatch;
    }
    if !selector.admits_fields(&fields) {
        return Outcome::NoGrant;
    }
    if seen.begins_after.is_some_and(|start| id <= start) {
        return Outcome::BeforeStart;
    }
    match seen.complete_to {
        Some(complete_to) if id <= complete_to => Outcome::Sent,
        _ => Outcome::Pending,
    }
}

impl Seen {
    /// The gap in which the event of this id is missing, if it was sent one.
    fn gap_with(&self, id: EventId) -> Option<GapSent> {
        self.gaps.iter().find(|gap| gap.holds(id)).copied()
    }
}

impl GapSent {
    /// Whether the event of this id, which history does not have, is one of those that are missing.
    fn holds(&self, id: EventId) -> bool {
        // Where another log follows, its ids may be lower.
        id > self.after && (id <= self.to || self.to < self.after)
    }
}
