//! What a node that starts takes over from the log: its newest events, as many as the window holds.

use std::sync::Arc;

use ::redis::{RedisError, Value, aio::MultiplexedConnection};

use super::{
    connection::Server,
    entry::{self, Entry},
    newest::newest,
    poll::{Poll, TailPosition},
    script,
    shared::Shared,
};
use sse_broadcaster::event::{EventId, Stored};

/// Most entries that are read at once, and their bytes.
const PIECE: (usize, usize) = (1_000, 1 << 20);

/// What was found at the end of the log.
#[derive(Default)]
struct Newest {
    /// Newest first, with what is left of erased ones.
    events: Vec<Arc<Stored>>,
    /// How many of them were erased.
    erased: usize,
    bytes: usize,
    /// The newest entry.
    last: Option<(EventId, u64)>,
    /// The entry before the oldest of the events, if there is one.
    before: Option<EventId>,
}

/// Fills the window, unless somebody stands before it already: to them these would be new.
pub(super) async fn fill(
    shared: &Shared,
    poll: &Poll,
    server: Server,
    connection: &mut MultiplexedConnection,
) -> Result<TailPosition, RedisError> {
    let max_events = if shared.window.is_followed() {
        0
    } else {
        shared.window.retention().events
    };
    let mut found = Newest::default();
    let mut from = "+".to_owned();
    loop {
        let reply =
            script::run(&newest(shared, poll.epoch, PIECE, &from, true), connection).await?;
        let Piece { entries, is_all } = decode(reply)?;
        let end = entries.last().map(|entry| entry.id);
        let birth = poll.birth;
        if !found.take(entries, birth, max_events, shared.window.retention().bytes) || is_all {
            break;
        }
        let Some(end) = end else { break };
        from = format!("({end}");
    }
    let (id, fingerprint) = found
        .last
        .map_or((poll.start(), None), |(id, print)| (id, Some(print)));
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
        server,
        fingerprint,
    })
}

struct Piece {
    entries: Vec<Entry>,
    is_all: bool,
}

fn decode(reply: Value) -> Result<Piece, RedisError> {
    let [is_all, entries, erased] = entry::parts(reply)?;
    let mut entries = entry::merged(entry::entries(entries)?, entry::erased_entries(erased)?);
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.id));
    Ok(Piece {
        entries,
        is_all: entry::number(is_all)? == 1,
    })
}

impl Newest {
    /// Whether there is room for more.
    fn take(
        &mut self,
        entries: Vec<Entry>,
        birth: EventId,
        max_events: usize,
        max_bytes: usize,
    ) -> bool {
        for entry in entries {
            let id = entry.id;
            if id < birth {
                // Positions of before the epoch are not known, however much of it is still there.
                self.before = Some(birth);
                return false;
            }
            self.last.get_or_insert_with(|| (id, entry.fingerprint()));
            let Some(stored) = entry.event() else {
                continue;
            };
            self.bytes += stored.event().most_memory();
            if self.events.len() - self.erased >= max_events || self.bytes > max_bytes {
                self.before = Some(id);
                return false;
            }
            self.erased += usize::from(stored.event().is_erased());
            self.events.push(Arc::new(stored));
        }
        true
    }
}
