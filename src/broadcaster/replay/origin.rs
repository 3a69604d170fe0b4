//! Where a read of history begins. An id that a client brought may be guessed: if it is that of an event that the
//! client may not read, it counts as one that history does not have. Otherwise the absence of a gap would show that
//! history has it.

use crate::{
    broadcaster::start::Start,
    event::{EventId, Selector},
    history::{Chunk, Found, From, History, Limit, Unavailable},
};

/// A sequence that no history gives to an event, and that Redis can compare as a number.
const UNKNOWN_SEQUENCE: u64 = (1 << 53) - 1;
/// Stands for an idempotency key that no event has.
const UNKNOWN_KEY: &str = "";

const ONE: Limit = Limit::new(1, 1);

/// Where a read begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::broadcaster) struct Origin {
    pub(in crate::broadcaster) start: Start,
    /// The start is a text of the client that it may have guessed.
    pub(in crate::broadcaster) may_be_guessed: bool,
}

impl Origin {
    pub(in crate::broadcaster) fn trusted(start: Start) -> Self {
        Self {
            start,
            may_be_guessed: false,
        }
    }

    /// A client that brought a position lacks what was erased behind it. Others ask for what there is.
    pub(in crate::broadcaster) fn is_position(&self) -> bool {
        matches!(self.start, Start::After(_))
    }

    /// The first read from here; [`Start::Live`] begins at `live`.
    pub(in crate::broadcaster) async fn read(
        &self,
        history: &dyn History,
        selector: &Selector,
        limit: Limit,
        live: From<'_>,
    ) -> Result<Chunk, Unavailable> {
        let mut chunk = match &self.start {
            Start::After(text) if self.may_be_guessed && !selector.admits_everything() => {
                read_after(history, text, selector, limit).await
            }
            start => {
                let from = start.from().unwrap_or(live);
                history.read(from, selector, limit).await
            }
        }?;
        chunk.gap |= self.is_position() && chunk.erased.is_some();
        Ok(chunk)
    }
}

async fn read_after(
    history: &dyn History,
    text: &str,
    selector: &Selector,
    limit: Limit,
) -> Result<Chunk, Unavailable> {
    let Ok(id) = text.parse::<EventId>() else {
        return read_after_key(history, text, selector, limit).await;
    };
    // Before anything else is read, so that the time until the response does not tell an event that the client may not
    // read from one that is not there.
    let unknown = EventId::new(id.ms(), UNKNOWN_SEQUENCE).to_string();
    let is_known = may_begin_after(history, id, selector).await?;
    let from = From::LastEventId(if is_known { text } else { &unknown });
    history.read(from, selector, limit).await
}

async fn read_after_key(
    history: &dyn History,
    key: &str,
    selector: &Selector,
    limit: Limit,
) -> Result<Chunk, Unavailable> {
    let read = |key| history.read(From::LastEventId(key), selector, limit);
    let chunk = read(key).await?;
    if chunk.gap || may_begin_after(history, chunk.after, selector).await? {
        return Ok(chunk);
    }
    read(UNKNOWN_KEY).await
}

/// False if history has the event of this id, and the client may not read it. Of an event that history has dropped it
/// is not known.
async fn may_begin_after(
    history: &dyn History,
    id: EventId,
    selector: &Selector,
) -> Result<bool, Unavailable> {
    // With the sequence 0 it is where a log began.
    if id.seq() == 0 {
        return Ok(true);
    }
    let found = find_event(history, id).await?;
    Ok(found.is_none_or(|found| selector.may_read(found.event())))
}

/// The event of this id, where history has it.
pub(in crate::broadcaster) async fn find_event(
    history: &dyn History,
    id: EventId,
) -> Result<Option<Found>, Unavailable> {
    if let Some(stored) = history.tail().find(id) {
        return Ok(Some(Found::Shared(stored)));
    }
    let bounds = history.bounds();
    if id <= bounds.trim_floor || id >= bounds.head {
        return Ok(None);
    }
    let every = Selector::every_event();
    let chunk = history.read(From::After(id.before()), &every, ONE).await?;
    let mut found = chunk.events.into_iter();
    Ok(found.next().filter(|found| found.id() == id))
}
