//! The aliases of the events that a window holds.

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::event::{Alias, EventId, Stored};

/// Which events have an alias. As many entries as there are events with one in the window.
#[derive(Default)]
pub(super) struct AliasIndex(HashMap<Alias, SmallVec<[EventId; 1]>>);

impl AliasIndex {
    pub(super) fn push(&mut self, stored: &Stored) {
        if let Some(alias) = stored.event().alias() {
            self.0.entry(alias.clone()).or_default().push(stored.id());
        }
    }

    /// Of the oldest event.
    pub(super) fn pop(&mut self, stored: &Stored) {
        let Some(alias) = stored.event().alias() else {
            return;
        };
        if let Some(ids) = self.0.get_mut(alias) {
            ids.retain(|id| *id != stored.id());
            if ids.is_empty() {
                self.0.remove(alias);
            }
        }
    }

    /// The events that have this alias, the oldest first.
    pub(super) fn of(&self, alias: &str) -> &[EventId] {
        self.0.get(alias).map_or(&[], SmallVec::as_slice)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    #[test]
    fn an_alias_stands_for_the_events_that_are_held_the_oldest_first() {
        let stored = |ms| {
            let event = Event::builder("").alias("urn:x").build().unwrap();
            Stored::new(EventId::new(ms, 1), ms, event)
        };
        let (first, second) = (stored(1), stored(2));
        let mut aliases = AliasIndex::default();
        aliases.push(&first);
        aliases.push(&second);
        assert_eq!(aliases.of("urn:x"), [first.id(), second.id()]);
        aliases.pop(&first);
        assert_eq!(aliases.of("urn:x"), [second.id()]);
        aliases.pop(&second);
        assert!(aliases.of("urn:x").is_empty() && aliases.0.is_empty());
    }
}
