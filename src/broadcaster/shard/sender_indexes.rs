//! Some of the senders of a shard.

use crate::event::{EventId, Selector};

/// A sender's index in its shard's list.
pub(in crate::broadcaster) type SenderIndex = u32;

#[derive(Default)]
pub(super) struct SenderIndexes {
    any: Vec<SenderIndex>,
    /// Those of them that get private events too.
    private: Vec<SenderIndex>,
}

impl SenderIndexes {
    pub(super) fn insert(&mut self, selector: &Selector, index: SenderIndex) {
        self.any.push(index);
        if selector.admits_private() {
            self.private.push(index);
        }
    }

    pub(super) fn retain(&mut self, mut is_kept: impl FnMut(SenderIndex) -> bool) {
        self.any.retain(|index| is_kept(*index));
        self.private.retain(|index| is_kept(*index));
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> &[SenderIndex] {
        &self.any
    }

    pub(super) fn is_empty(&self) -> bool {
        self.any.is_empty()
    }

    /// Those that an event behind this position is for.
    pub(super) fn of_event(
        &self,
        private: bool,
        before: EventId,
    ) -> impl Iterator<Item = (SenderIndex, EventId)> {
        let indexes = if private { &self.private } else { &self.any };
        indexes.iter().map(move |index| (*index, before))
    }
}
