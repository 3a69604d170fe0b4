//! One poll of the log from the tail's position, and what it says of what became of the log since.

use tokio_postgres::Row;

use super::{
    connection::{Connection, Server},
    epoch::seen_of,
    error::PgError,
    rows::{Entry, entries, get, get_id, get_optional_id, id, signed},
};
use sse_broadcaster::event::EventId;
use sse_broadcaster_remote::LogBounds;

/// How far the tail has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TailPosition {
    pub(super) epoch: u64,
    pub(super) id: EventId,
    /// How many events were added to the log up to it.
    pub(super) number: i64,
    /// Where it came to it.
    pub(super) server: Server,
    /// Of the event there, if there is one: another log has another there.
    pub(super) tag: Option<i64>,
}

/// The log at one moment.
pub(super) struct Poll {
    pub(super) epoch: u64,
    pub(super) birth: EventId,
    pub(super) bounds: LogBounds,
    /// Events that were ever added to it.
    pub(super) number: i64,
    /// Of these, up to its birth, or its floor: those that it holds are after them.
    pub(super) number_before: i64,
    /// Of these, the last of the entries.
    pub(super) last_number: Option<i64>,
    /// The server that the log goes on at, as it names it.
    pub(super) server: String,
    /// Per server the newest id of it that a node had seen when an epoch was begun.
    seen: Vec<(Server, EventId)>,
    /// Of the event at the tail's position, if it is there.
    here: Option<i64>,
    /// What comes after it, each with its tag.
    pub(super) entries: Vec<(Entry, i64)>,
}

/// What became of the log since the poll before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Same,
    /// Another node has begun another epoch.
    Replaced,
    /// Events that the tail has yet to see were dropped: it continues after this id.
    Overtaken(EventId),
    /// It holds less than it did, or something else: it came back empty or older, or on another server, of
    /// which nobody can say any more whether it held the event.
    Lost,
}

impl Poll {
    /// Polls after this id, for at most so many events and about so many bytes. `None`: there is no log.
    pub(super) async fn ask(
        connection: &Connection,
        after: EventId,
        most_events: usize,
        most_bytes: usize,
    ) -> Result<Option<Self>, PgError> {
        let most_events = i32::try_from(most_events).unwrap_or(i32::MAX);
        let most_bytes = signed(most_bytes as u64);
        let row = connection
            .client
            .query_one(
                &connection.statements.poll,
                &[
                    &signed(after.ms()),
                    &signed(after.seq()),
                    &most_events,
                    &most_bytes,
                ],
            )
            .await?;
        Self::decode(&row)
    }

    fn decode(row: &Row) -> Result<Option<Self>, PgError> {
        let Some(epoch) = get::<Option<i64>>(row, 0)? else {
            return Ok(None);
        };
        let (floor_number, floor_bytes): (i64, i64) = (get(row, 5)?, get(row, 6)?);
        let (number, bytes): (i64, i64) = (get(row, 9)?, get(row, 10)?);
        let (erased_events, erased_bytes): (i64, i64) = (get(row, 20)?, get(row, 21)?);
        let held = |all: i64, gone: i64| usize::try_from(all - gone).unwrap_or(0);
        let tags: Vec<i64> = get(row, 18)?;
        let entries = entries(row, [15, 16, 17, 19])?;
        Ok(Some(Self {
            epoch: epoch.unsigned_abs(),
            birth: get_id(row, 1)?,
            bounds: LogBounds {
                floor: id(get(row, 3)?, get(row, 4)?),
                oldest: get_optional_id(row, 7)?,
                events: held(number, floor_number + erased_events),
                bytes: held(bytes, floor_bytes + erased_bytes),
            },
            number,
            number_before: floor_number,
            last_number: get(row, 14)?,
            server: get(row, 11)?,
            seen: seen_of(get(row, 12)?),
            here: get(row, 13)?,
            entries: entries.into_iter().zip(tags).collect(),
        }))
    }

    /// Whether a node that followed another server until here saw or acknowledged something there that
    /// no epoch since has announced as lost; `acknowledged` is the newest that it acknowledged.
    pub(super) fn has_lost_of(
        &self,
        position: &TailPosition,
        acknowledged: Option<EventId>,
    ) -> bool {
        let seen = position.tag.map(|_| position.id).max(acknowledged);
        let Some(newest) = seen else { return false };
        let is_announced =
            |(server, id): &(Server, EventId)| *server == position.server && *id >= newest;
        let is_held = newest == position.id && self.is_reached(position);
        !is_held && !self.seen.iter().any(is_announced)
    }

    fn is_reached(&self, position: &TailPosition) -> bool {
        self.here
            .is_some_and(|here| position.tag.is_none_or(|known| known == here))
    }

    /// What became of the log since this position, as it is found on this server.
    pub(super) fn verdict(&self, position: &TailPosition, server: Server) -> Verdict {
        if self.epoch != position.epoch {
            return Verdict::Replaced;
        }
        if self.here.is_some() {
            // A log that went back may have given the id anew.
            return if self.is_reached(position) {
                Verdict::Same
            } else {
                Verdict::Lost
            };
        }
        let floor = self.bounds.floor;
        if position.id == floor || (position.id == self.birth && position.id > floor) {
            Verdict::Same
        } else if position.id < floor && (position.server == server || position.tag.is_none()) {
            Verdict::Overtaken(floor)
        } else {
            Verdict::Lost
        }
    }

    /// Where reading begins in a log that holds nothing.
    pub(super) fn start(&self) -> EventId {
        self.birth.max(self.bounds.floor)
    }
}
