//! What a node that starts takes over from the log: its newest events, as many as the window holds.

use std::sync::Arc;

use super::{
    connection::Connection,
    error::PgError,
    newest::Newest,
    poll::{Poll, TailPosition},
    shared::Shared,
};
use sse_broadcaster::event::{EventId, Stored};

/// Most events that are read at once, and their bytes.
const PIECE: (usize, usize) = (1_000, 1 << 20);

/// What was found at the end of the log.
#[derive(Default)]
struct Found {
    /// Newest first.
    events: Vec<Arc<Stored>>,
    bytes: usize,
    /// The newest event, its tag and its number.
    last: Option<(EventId, i64, i64)>,
    /// The event before the oldest of these, if there is one.
    before: Option<EventId>,
}

/// Fills the window, unless somebody stands before it already: to them these would be new.
pub(super) async fn fill(
    shared: &Shared,
    poll: &Poll,
    connection: &Connection,
) -> Result<TailPosition, PgError> {
    let max_events = if shared.window.is_followed() {
        0
    } else {
        shared.window.retention().events
    };
    let mut found = Found::default();
    let mut before = EventId::new(u64::MAX, u64::MAX);
    loop {
        let page = Newest::ask(connection, poll.epoch, before, None, PIECE).await?;
        let Some(page) = page else { break };
        let end = page.entries.last().map(|(entry, ..)| entry.id);
        let max_bytes = shared.window.retention().bytes;
        let has_room = found.take(page.entries, poll.birth, max_events, max_bytes);
        let Some(end) = end.filter(|_| has_room && !page.is_all) else {
            break;
        };
        before = end;
    }
    let start = (poll.start(), None, poll.number_before);
    let (id, tag, number) = found
        .last
        .map_or(start, |(id, tag, number)| (id, Some(tag), number));
    let events = if shared.window.is_followed() {
        Vec::new()
    } else {
        found.events
    };
    let floor = match found.before {
        _ if events.is_empty() => id,
        Some(before) => before,
        None => poll.bounds.floor,
    };
    shared.window.restart(poll.epoch, floor);
    shared.window.push(events.into_iter().rev().collect());
    Ok(TailPosition {
        epoch: poll.epoch,
        id,
        number,
        server: connection.server,
        tag,
    })
}

impl Found {
    /// Whether there is room for more.
    fn take(
        &mut self,
        entries: Vec<super::newest::Numbered>,
        birth: EventId,
        max_events: usize,
        max_bytes: usize,
    ) -> bool {
        for (entry, tag, number) in entries {
            let id = entry.id;
            if id < birth {
                // Positions of before the epoch are not known, however much of it is still there.
                self.before = Some(birth);
                return false;
            }
            self.last.get_or_insert((id, tag, number));
            let Some(stored) = entry.stored() else {
                continue;
            };
            self.bytes += stored.event().most_memory();
            if self.events.len() >= max_events || self.bytes > max_bytes {
                self.before = Some(id);
                return false;
            }
            self.events.push(stored);
        }
        true
    }
}
