//! Where a read of history begins. An id that a client brought may be guessed: if it is that of an event that the
//! client may not read, it counts as one that history does not have. Otherwise the absence of a gap would show that
//! history has it.

use crate::{
    broadcaster::start::Start,
    event::{EventId, Selector},
    history::{Chunk, From, History, Limit, Unavailable},
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

    /// The first read from here; [`Start::Live`] begins at `head`.
    pub(in crate::broadcaster) async fn read(
        &self,
        history: &dyn History,
        selector: &Selector,
        limit: Limit,
        head: EventId,
    ) -> Result<Chunk, Unavailable> {
        let from = self.start.from().unwrap_or(From::After(head));
        let Start::After(text) = &self.start else {
            return history.read(from, selector, limit).await;
        };
        if !self.may_be_guessed || selector.admits_everything() {
            return history.read(from, selector, limit).await;
        }
        // Before anything else is read, so that the time until the response does not tell an event that the client may
        // not read from one that is not there.
        if let Ok(id) = text.parse() {
            if may_begin_after(history, id, selector).await? {
                return history.read(from, selector, limit).await;
            }
            let unknown = EventId::new(id.ms(), UNKNOWN_SEQUENCE).to_string();
            return history
                .read(From::LastEventId(&unknown), selector, limit)
                .await;
        }
        let chunk = history.read(from, selector, limit).await?;
        if chunk.gap || may_begin_after(history, chunk.after, selector).await? {
            return Ok(chunk);
        }
        history
            .read(From::LastEventId(UNKNOWN_KEY), selector, limit)
            .await
    }
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
    if let Some(stored) = history.tail().find(id) {
        return Ok(selector.may_read(stored.event()));
    }
    let bounds = history.bounds();
    if id <= bounds.trim_floor || id >= bounds.head {
        return Ok(true);
    }
    let every = Selector::every_event();
    let chunk = history.read(From::After(id.before()), &every, ONE).await?;
    let found = chunk.events.first().filter(|found| found.id() == id);
    Ok(found.is_none_or(|found| selector.may_read(found.event())))
}
