//! What the tail brings into the window.

use std::{sync::Arc, time::Instant};

use super::Tail;
use crate::{
    entry::Entry,
    own::{Own, fingerprint_of},
};
use sse_broadcaster::event::{EventId, Stored};

/// The part of the window that a batch may take.
const WINDOW_SHARE: usize = 4;

impl Tail {
    /// Brings entries into the window, once it has room beside what the node's own streams have yet to be sent.
    pub(super) async fn take(&mut self, entries: Vec<Entry>) {
        let window = self.shared.window.retention();
        let (most_events, most_bytes) = (window.events / WINDOW_SHARE, window.bytes / WINDOW_SHARE);
        let (mut batch, mut bytes) = (Vec::with_capacity(entries.len()), 0);
        if let (Some(position), Some(last)) = (&mut self.position, entries.last()) {
            (position.id, position.fingerprint) = (last.id, Some(last.fingerprint()));
        }
        for entry in entries {
            let id = entry.id;
            let event = entry.event();
            let cost = event
                .as_ref()
                .map_or(0, |stored| stored.event().most_memory());
            if bytes + cost > most_bytes || batch.len() >= most_events {
                self.push(std::mem::take(&mut batch)).await;
                bytes = 0;
            }
            match event {
                // Larger than this node's window allows: streams read it from Redis, as what is past.
                Some(_) if cost > most_bytes => self.shared.window.skip_to(id),
                Some(stored) => batch.push(Arc::new(stored)),
                None => self.warn_of_foreign(id),
            }
            bytes += cost;
        }
        self.push(batch).await;
    }

    /// Brings what this node has appended into the window, if it follows the tail's position; the publishers have reserved
    /// its room. False where the log is to be polled instead.
    pub(super) fn take_own(&mut self, own: Own) -> bool {
        let (Some(position), Some(last)) = (&mut self.position, own.stored.last()) else {
            return false;
        };
        if (own.epoch, own.server) != (position.epoch, position.server)
            || position.server != self.server
        {
            return false;
        }
        self.took_own = Some(Instant::now());
        if last.id() <= position.id {
            // A poll has found it already.
            return true;
        }
        let window = self.shared.window.retention();
        let bytes = own.stored.iter().map(|stored| stored.event().most_memory());
        let has_room = own.stored.len() <= window.events / WINDOW_SHARE
            && bytes.sum::<usize>() <= window.bytes / WINDOW_SHARE;
        // Where the entry before was not the newest, a poll finds what was lost, or added by somebody else.
        if own.log.before != position.id || !own.log.was_newest || !has_room {
            return false;
        }
        (position.id, position.fingerprint) = (last.id(), Some(fingerprint_of(last)));
        self.added += own.stored.len() as u64;
        self.shared.window.push(own.stored);
        self.report(own.log.bounds, own.log.added);
        true
    }

    async fn push(&self, batch: Vec<Arc<Stored>>) {
        if !batch.is_empty() {
            self.shared.window.room(&batch).await;
            self.shared.window.push(batch);
        }
    }

    fn warn_of_foreign(&mut self, id: EventId) {
        if !std::mem::replace(&mut self.has_warned, true) {
            log::warn!(
                "history at {} holds an entry that is no event of ours, {id}: somebody else writes to \
                 the keys of this prefix. It is passed over, and so are others of the kind",
                self.shared.address
            );
        }
    }
}
