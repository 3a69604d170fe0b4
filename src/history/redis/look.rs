//! One look at the log from where the tail stands, and what it says of what became of the log since.

use ::redis::{Pipeline, Value};

use super::{
    entry::{self, Entry, Unexpected},
    shared::{LogBounds, Shared},
};
use crate::event::EventId;

/// What is known of the log beside its entries, as the scripts keep it.
const FIELDS: [&str; 6] = ["epoch", "birth", "floor", "bytes", "added", "oldest"];

/// Where the tail stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) epoch: u64,
    pub(super) id: EventId,
    /// Of the entry there, if there is one.
    pub(super) fingerprint: Option<u64>,
}

/// The log at one moment.
pub(super) struct Look {
    pub(super) epoch: u64,
    pub(super) birth: EventId,
    pub(super) bounds: LogBounds,
    /// Events that were ever added to it.
    pub(super) added: u64,
    /// The entry that the tail stands at, if it is there.
    here: Option<Entry>,
    /// What comes behind it.
    pub(super) entries: Vec<Entry>,
}

/// What became of the log since the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Same,
    /// Another node has begun another epoch.
    Replaced,
    /// Entries that the tail has yet to see were dropped: it goes on behind this id.
    Overtaken(EventId),
    /// It holds less than it did, or something else: it came back empty or older, or on another server.
    Lost,
}

impl Look {
    /// Adds the commands of one look, at most so many entries, to a pipeline, as one atomic step: its
    /// reply is the pipeline's last. No script, which would turn every entry over twice.
    pub(super) fn add(calls: &mut Pipeline, shared: &Shared, id: EventId, max_entries: usize) {
        let (log, meta) = (&shared.keys.log, &shared.keys.meta);
        let (here, behind) = (id.to_string(), format!("({id}"));
        calls.cmd("MULTI").ignore();
        calls.cmd("HMGET").arg(meta).arg(&FIELDS).ignore();
        calls.cmd("XLEN").arg(log).ignore();
        calls.cmd("XRANGE").arg(log).arg(&here).arg(&here).ignore();
        calls
            .cmd("XRANGE")
            .arg(log)
            .arg(behind)
            .arg("+")
            .arg("COUNT")
            .arg(max_entries)
            .ignore();
        calls.cmd("EXEC");
    }

    /// `None`: there is no log.
    pub(super) fn decode(reply: Value) -> Result<Option<Self>, Unexpected> {
        let [state, length, here, entries] = entry::parts(reply)?;
        let [epoch, birth, floor, bytes, added, oldest] = entry::parts(state)?;
        if epoch == Value::Nil {
            return Ok(None);
        }
        Ok(Some(Self {
            epoch: entry::number(epoch)?,
            birth: entry::id(birth)?,
            bounds: LogBounds {
                floor: entry::id(floor)?,
                oldest: entry::optional_id(oldest)?,
                events: usize::try_from(entry::number(length)?).unwrap_or(usize::MAX),
                bytes: usize::try_from(entry::number(bytes)?).unwrap_or(usize::MAX),
            },
            added: entry::number(added)?,
            here: entry::entries(here)?.pop(),
            entries: entry::entries(entries)?,
        }))
    }

    pub(super) fn verdict(&self, place: &Place) -> Verdict {
        if self.epoch != place.epoch {
            return Verdict::Replaced;
        }
        if let Some(here) = &self.here {
            // A log that went back may have given the id anew.
            let is_known = place
                .fingerprint
                .is_none_or(|known| known == here.fingerprint());
            return if is_known {
                Verdict::Same
            } else {
                Verdict::Lost
            };
        }
        let floor = self.bounds.floor;
        if place.id == self.birth || place.id == floor {
            Verdict::Same
        } else if place.id < floor {
            Verdict::Overtaken(floor)
        } else {
            Verdict::Lost
        }
    }

    /// The position that the log itself stands at where it holds nothing.
    pub(super) fn start(&self) -> EventId {
        self.birth.max(self.bounds.floor)
    }
}
