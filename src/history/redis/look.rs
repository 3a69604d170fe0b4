//! One look at the log from where the tail stands, and what it says of what became of the log since.

use ::redis::{Cmd, Value};

use super::{
    entry::{self, Entry, Unexpected},
    script,
    shared::{LogBounds, Shared},
};
use crate::event::EventId;

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
    /// The entry that the tail stands at is there.
    is_here: bool,
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
    /// What one look costs at most is bounded in events and bytes.
    pub(super) fn call(shared: &Shared, id: EventId, max: (usize, usize), with_entry: bool) -> Cmd {
        let mut call = script::TAIL.call(&[&shared.keys.log, &shared.keys.meta]);
        call.arg(id.to_string())
            .arg(max.0)
            .arg(max.1)
            .arg(u8::from(with_entry));
        call
    }

    /// `None`: there is no log.
    pub(super) fn decode(reply: Value) -> Result<Option<Self>, Unexpected> {
        let mut reply = entry::list(reply)?;
        if reply.len() < 2 {
            return Ok(None);
        }
        let entries = entry::entries(reply.pop().ok_or(Unexpected)?)?;
        let [
            epoch,
            birth,
            floor,
            bytes,
            added,
            length,
            oldest,
            is_here,
            here,
        ]: [Value; 9] = reply.try_into().map_err(|_| Unexpected)?;
        Ok(Some(Self {
            epoch: entry::number(epoch)?,
            birth: entry::id(birth)?,
            bounds: LogBounds {
                floor: entry::id(floor)?,
                oldest: entry::optional(oldest).map(entry::id).transpose()?,
                events: usize::try_from(entry::number(length)?).unwrap_or(usize::MAX),
                bytes: usize::try_from(entry::number(bytes)?).unwrap_or(usize::MAX),
            },
            added: entry::number(added)?,
            is_here: entry::number(is_here)? == 1,
            here: entry::optional(here).map(entry::entry).transpose()?,
            entries,
        }))
    }

    pub(super) fn verdict(&self, place: &Place) -> Verdict {
        if self.epoch != place.epoch {
            return Verdict::Replaced;
        }
        if self.is_here {
            // Only where the entry was asked for.
            let found = self.here.as_ref().map(Entry::fingerprint);
            let is_other =
                found.is_some() && place.fingerprint.is_some() && found != place.fingerprint;
            return if is_other {
                Verdict::Lost
            } else {
                Verdict::Same
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
