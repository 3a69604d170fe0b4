//! One poll of the log from the tail's position, and what it says of what became of the log since.

use ::redis::{Pipeline, Value};

use super::{
    behind::Behind,
    connection::Server,
    entry::{self, Entry, Unexpected},
    script,
    shared::Shared,
};
use sse_broadcaster::event::EventId;
use sse_broadcaster_remote::LogBounds;

/// What is known of the log beside its entries, as the scripts keep it.
const FIELDS: [&str; 9] = [
    "epoch", "birth", "floor", "bytes", "added", "oldest", "server", "seen", "erased",
];
/// Most bytes of what is left of erased events in one poll.
const MAX_ERASED_BYTES: usize = 256 << 10;

/// How far the tail has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TailPosition {
    pub epoch: u64,
    pub(super) id: EventId,
    /// Where it came to it.
    pub(super) server: Server,
    /// Of the entry there, if there is one.
    pub(super) fingerprint: Option<u64>,
}

/// The log at one moment.
pub(super) struct Poll {
    pub(super) epoch: u64,
    pub(super) birth: EventId,
    pub(super) bounds: LogBounds,
    /// Events that were ever added to it.
    pub(super) added: u64,
    /// The server that the log goes on at, as it names it.
    pub(super) server: Option<String>,
    /// Per server the newest id of it that a node had seen when an epoch was begun.
    seen: Vec<(Server, EventId)>,
    /// Retained values, or what is left of erased events, are gone.
    pub(super) has_lost_keys: bool,
    /// The entry at the tail's position, if it is there.
    here: Option<Entry>,
    /// What comes after it, with what is left of erased events.
    pub(super) entries: Vec<Entry>,
    /// These are all.
    pub(super) is_all: bool,
}

/// What became of the log since the poll before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Same,
    /// Another node has begun another epoch.
    Replaced,
    /// Entries that the tail has yet to see were dropped: it continues after this id.
    Overtaken(EventId),
    /// It holds less than it did, or something else: it came back empty or older, or on another server, of
    /// which nobody can say any more whether it held the entry.
    Lost,
}

impl Poll {
    /// Adds the commands of one poll, at most so many entries, to a pipeline: its reply is the last
    /// three. Not one atomic step, since at `maxmemory` Redis refuses `MULTI`, and a script would turn
    /// every entry over twice. What is known of the log is read last: an epoch does not come back, and
    /// what was trimmed in between lies at or before the floor.
    pub(super) fn add(calls: &mut Pipeline, shared: &Shared, id: EventId, max_entries: usize) {
        let keys = &shared.keys;
        let (here, after) = (id.to_string(), format!("({id}"));
        calls
            .cmd("XRANGE")
            .arg(&keys.log)
            .arg(after)
            .arg("+")
            .arg("COUNT")
            .arg(max_entries);
        calls.cmd("XRANGE").arg(&keys.log).arg(&here).arg(&here);
        let mut known = script::POLL.call(&[&keys.log, &keys.meta, &keys.retained, &keys.erased]);
        known.arg(&here).arg(MAX_ERASED_BYTES).arg(&FIELDS);
        calls.add_command(known);
    }

    /// The reply to a poll from this position, for so many entries. `None`: there is no log.
    pub(super) fn decode(
        reply: Value,
        position: EventId,
        max_entries: usize,
    ) -> Result<Option<Self>, Unexpected> {
        let [entries, here, known] = entry::parts(reply)?;
        let [state, length, has_lost_keys, erased, erased_to] = entry::parts(known)?;
        let [
            epoch,
            birth,
            floor,
            bytes,
            added,
            oldest,
            server,
            seen,
            erased_size,
        ] = entry::parts(state)?;
        if entry::optional(epoch.clone()).is_none() {
            return Ok(None);
        }
        let floor = entry::id(floor)?;
        let entries = Behind::merge(
            entry::entries(entries)?,
            entry::erased_entries(erased)?,
            (position, max_entries),
            entry::optional_id(erased_to)?,
        );
        let Behind {
            here: erased_here,
            mut entries,
            is_all,
        } = entries;
        entries.retain(|entry| entry.id > floor);
        let text = |value| entry::optional(value).map(entry::text).transpose();
        let bytes = entry::number(bytes)? + erased_bytes(text(erased_size)?.as_deref())?;
        Ok(Some(Self {
            epoch: entry::number(epoch)?,
            birth: entry::id(birth)?,
            bounds: LogBounds {
                floor,
                oldest: entry::optional_id(oldest)?,
                events: usize::try_from(entry::number(length)?).unwrap_or(usize::MAX),
                bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
            },
            added: entry::number(added)?,
            server: text(server)?,
            seen: seen_of(&text(seen)?.unwrap_or_default()),
            has_lost_keys: entry::number(has_lost_keys)? == 1,
            here: erased_here.or(entry::entries(here)?.pop()),
            entries,
            is_all,
        }))
    }

    /// Whether a node that followed another server until here saw or acknowledged something there that
    /// no epoch since has announced as lost; `acknowledged` is the newest that it acknowledged.
    pub(super) fn has_lost_of(
        &self,
        position: &TailPosition,
        acknowledged: Option<EventId>,
    ) -> bool {
        let seen = position.fingerprint.map(|_| position.id).max(acknowledged);
        let Some(newest) = seen else { return false };
        let is_announced =
            |(server, id): &(Server, EventId)| *server == position.server && *id >= newest;
        let is_held = newest == position.id && self.is_reached(position);
        !is_held && !self.seen.iter().any(is_announced)
    }

    fn is_reached(&self, position: &TailPosition) -> bool {
        self.here.as_ref().is_some_and(|here| {
            let is_same = |known| here.is_erased || known == here.fingerprint();
            position.fingerprint.is_none_or(is_same)
        })
    }

    /// What became of the log since this position, as it is found on this server.
    pub(super) fn verdict(&self, position: &TailPosition, server: Server) -> Verdict {
        if self.epoch != position.epoch {
            return Verdict::Replaced;
        }
        if self.has_lost_keys {
            return Verdict::Lost;
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
        // What came after the birth may be dropped since.
        if position.id == floor || position.id == self.birth && floor <= self.birth {
            Verdict::Same
        } else if position.id < floor
            && (position.server == server || position.fingerprint.is_none())
        {
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

/// What is left of erased events counts so much.
fn erased_bytes(text: Option<&str>) -> Result<u64, Unexpected> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(0);
    };
    let bytes = text.split(' ').nth(1).and_then(|bytes| bytes.parse().ok());
    bytes.ok_or(Unexpected)
}

fn seen_of(text: &str) -> Vec<(Server, EventId)> {
    let entry = |entry: &str| {
        let (server, id) = entry.split_once('=')?;
        Some((Server::parse(server), id.parse().ok()?))
    };
    text.split(' ').filter_map(entry).collect()
}
