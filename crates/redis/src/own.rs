//! What this node has appended, on its way to the tail: where nothing else came between, the tail brings it into the
//! window without reading it from the log.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use ::redis::{Arg, Cmd};
use tokio::sync::mpsc;

use super::{connection::Server, entry, log_state::LogState};
use sse_broadcaster::event::Stored;

/// Most calls whose events wait for the tail. What would be more it reads from the log.
const MAX_WAITING: usize = 16;

/// The events of one call.
pub(super) struct Own {
    pub(super) epoch: u64,
    pub(super) server: Server,
    pub(super) log: LogState,
    /// At least one, in the order of ids.
    pub(super) stored: Vec<Arc<Stored>>,
}

/// The end for those who append.
pub(super) struct ToTail {
    queue: mpsc::Sender<Own>,
    /// Calls that are under way, whose events are still to be handed over.
    calls: AtomicUsize,
}

impl ToTail {
    pub(super) fn new() -> (Self, mpsc::Receiver<Own>) {
        let (queue, own) = mpsc::channel(MAX_WAITING);
        let calls = AtomicUsize::new(0);
        (Self { queue, calls }, own)
    }

    /// A call begins. It has ended, and its events are handed over, when the guard is dropped.
    pub(super) fn call_begins(&self) -> UnderWay<'_> {
        self.calls.fetch_add(1, Ordering::AcqRel);
        UnderWay(self)
    }

    pub(super) fn has_calls(&self) -> bool {
        self.calls.load(Ordering::Acquire) > 0
    }
}

/// A call is under way.
pub(super) struct UnderWay<'a>(&'a ToTail);

impl UnderWay<'_> {
    pub(super) fn hand_over(&self, own: Own) {
        if !own.stored.is_empty() {
            let _ = self.0.queue.try_send(own);
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The fingerprint of the entry that the scripts have written of this event, see `scripts/log.lua`.
pub(super) fn fingerprint_of(stored: &Stored) -> u64 {
    let (event, mut written) = (stored.event(), Cmd::new());
    let has_own_time = stored.time_ms() != stored.id().ms();
    if entry::is_plain(event) && !has_own_time {
        entry::add_plain(&mut written, event);
    } else {
        entry::add(&mut written, event);
    }
    if has_own_time {
        written.arg(stored.time_ms()).arg("");
    }
    entry::fingerprint(written.args_iter().filter_map(|field| match field {
        Arg::Simple(bytes) => Some(bytes),
        _ => None,
    }))
}

#[cfg(test)]
mod tests {
    use ::redis::Value;
    use sse_broadcaster::event::{Event, EventId};

    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn the_fingerprint_of_an_event_is_that_of_the_entry_that_is_read_of_it() {
        let plain = || Event::builder("data").topic("a").topic("b");
        let named = || plain().idempotency_key("key").name("name");
        for (event, time_ms, fields) in [
            (plain(), 8, vec!["a\nb", "data"]),
            (plain(), 7, vec!["a\nb", "data", "", "", "7", ""]),
            (named(), 8, vec!["a\nb", "data", "key", "name\n\n"]),
            (named(), 7, vec!["a\nb", "data", "key", "name\n\n", "7", ""]),
        ] {
            let stored = Stored::new(EventId::new(8, 1), time_ms, event.build().unwrap());
            let fields = fields.into_iter().map(text).collect();
            let entry = entry::entry(Value::Array(vec![text("8-1"), Value::Array(fields)]));
            let entry = entry.unwrap();
            assert_eq!(fingerprint_of(&stored), entry.fingerprint());
            let read = entry.event().unwrap();
            assert_eq!(read.event(), stored.event());
            assert_eq!(read.time_ms(), stored.time_ms());
        }
    }
}
