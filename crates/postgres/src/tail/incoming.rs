//! What the tail brings into the window.

use std::sync::Arc;

use super::Tail;
use crate::rows::Entry;
use sse_broadcaster::event::{EventId, Stored};

/// The part of the window that a batch may take.
const WINDOW_SHARE: usize = 4;

impl Tail {
    /// Brings events into the window, once it has room beside what the node's own streams have yet to be sent.
    pub(super) async fn take(&mut self, entries: Vec<(Entry, i64)>) {
        let window = self.shared.window.retention();
        let (most_events, most_bytes) = (window.events / WINDOW_SHARE, window.bytes / WINDOW_SHARE);
        let (mut batch, mut bytes) = (Vec::with_capacity(entries.len()), 0);
        for (entry, tag) in entries {
            let id = entry.id;
            let stored = entry.stored();
            let cost = stored
                .as_ref()
                .map_or(0, |stored| stored.event().most_memory());
            if bytes + cost > most_bytes || batch.len() >= most_events {
                self.push(std::mem::take(&mut batch)).await;
                bytes = 0;
            }
            match stored {
                // Larger than this node's window allows: streams read it from the log, as what is past.
                Some(_) if cost > most_bytes => self.shared.window.skip_to(id),
                Some(stored) => batch.push(stored),
                None => self.warn_of_foreign(id),
            }
            bytes += cost;
            if let Some(position) = &mut self.position {
                (position.id, position.tag) = (id, Some(tag));
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
                "history at {} holds something at {id} that is no event of ours: somebody else writes to the tables of \
                 the schema {}. It is passed over, and so are others of the kind",
                self.shared.address,
                self.shared.address.schema
            );
        }
    }
}
