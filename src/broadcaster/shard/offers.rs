//! When the walks of a shard had offered which events.

use std::collections::VecDeque;

use crate::event::EventId;

/// Most entries: at least 40 s of walks, and hours of a quiet log.
const MAX_ENTRIES: usize = 4_096;
/// Walks within so many milliseconds of the first of them are one entry.
const STEP_MS: u64 = 10;

/// Up to where the walks had come, and when.
#[derive(Debug)]
pub(super) struct Offers {
    /// Of the events up to here it is not known.
    unknown_to: EventId,
    /// Both increase.
    entries: VecDeque<(EventId, u64)>,
}

impl Offers {
    pub(super) fn new(position: EventId) -> Self {
        Self {
            unknown_to: position,
            entries: VecDeque::new(),
        }
    }

    /// Everything up to this position has been offered at this time, in milliseconds since the Unix epoch.
    pub(super) fn add(&mut self, to: EventId, ms: u64) {
        match self.entries.back_mut() {
            // Another log, or a clock that went back.
            Some((last, at)) if to < *last || ms < *at => *self = Self::new(to),
            Some((last, at)) if ms < *at + STEP_MS => *last = to,
            _ => {
                if self.entries.len() >= MAX_ENTRIES
                    && let Some((dropped, _)) = self.entries.pop_front()
                {
                    self.unknown_to = dropped;
                }
                self.entries.push_back((to, ms));
            }
        }
    }

    /// When the event of this id had been offered.
    pub(super) fn time_of(&self, event: EventId) -> Option<u64> {
        if event <= self.unknown_to {
            return None;
        }
        let at = self.entries.partition_point(|(to, _)| *to < event);
        self.entries.get(at).map(|(_, ms)| *ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> EventId {
        EventId::new(number, 1)
    }

    #[test]
    fn an_event_was_offered_with_the_first_walk_that_came_to_it() {
        let mut offers = Offers::new(id(1));
        for (to, ms) in [(3, 1_000), (5, 1_009), (7, 2_000)] {
            offers.add(id(to), ms);
        }
        for (event, ms) in [
            (1, None),
            (2, Some(1_000)),
            (5, Some(1_000)),
            (6, Some(2_000)),
            (8, None),
        ] {
            assert_eq!(offers.time_of(id(event)), ms, "{event}");
        }
    }

    #[test]
    fn the_oldest_entries_are_dropped_and_what_they_were_about_is_not_known() {
        let mut offers = Offers::new(id(0));
        let most = MAX_ENTRIES as u64;
        for number in 1..=most + 2 {
            offers.add(id(number), number * STEP_MS);
        }
        assert_eq!(offers.entries.len(), MAX_ENTRIES);
        assert_eq!(offers.time_of(id(2)), None);
        assert_eq!(offers.time_of(id(3)), Some(3 * STEP_MS));
        // Of another log nothing is known.
        offers.add(id(1), most * STEP_MS + 100);
        assert_eq!(offers.time_of(id(3)), None);
    }
}
