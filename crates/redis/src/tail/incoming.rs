//! What the tail brings into the window.

use std::sync::Arc;

use super::Tail;
use crate::entry::Entry;
use sse_broadcaster::event::{EventId, Stored};

/// The part of the window that a batch may take.
const WINDOW_SHARE: usize = 4;

impl Tail {
    /// Brings entries into the window, once it has room beside what the node's own streams have yet to be sent.
    pub(super) async fn take(&mut self, entries: Vec<Entry>) {
        let window = self.shared.window.retention();
        let (most_events, most_bytes) = (window.events / WINDOW_SHARE, window.bytes / WINDOW_SHARE);
        let (mut batch, mut bytes) = (Vec::with_capacity(entries.len()), 0);
        for entry in entries {
            let (id, fingerprint) = (entry.id, entry.fingerprint());
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
            if let Some(position) = &mut self.position {
                (position.id, position.fingerprint) = (id, Some(fingerprint));
            }
        }
        self.push(batch).await;
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
