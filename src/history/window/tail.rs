//! What a shard's walk takes of the window.

use std::sync::Arc;

use super::log::Log;
use crate::{
    event::{EventId, Stored},
    history::{Limit, LogPosition},
};

/// The events after a position.
#[derive(Debug, Clone)]
pub(crate) struct Tail {
    pub(crate) from: LogPosition,
    pub(crate) to: LogPosition,
    pub(crate) events: Vec<Arc<Stored>>,
    /// The position that was asked for is before the trim floor or of another epoch; `from` is where the
    /// events begin instead; or something behind it was erased, and they begin behind that.
    pub(crate) lost: bool,
    /// The id that the window dropped last.
    pub(crate) floor: EventId,
}

impl Log {
    /// The events after `position`: as many as fit the limit, and at least one if there is one.
    pub(super) fn after(&self, position: LogPosition, limit: Limit) -> Tail {
        let (mut from, mut lost) = self.begin(position);
        let skip = self.index(from.number);
        let (mut events, mut bytes) = (Vec::new(), 0);
        let mut to = from;
        for stored in self.events.range(skip..).take(limit.events) {
            if stored.event().is_erased() {
                to.pass(stored);
                (from, lost) = (to, true);
                (events, bytes) = (Vec::new(), 0);
                continue;
            }
            bytes += stored.event().cost();
            if bytes > limit.bytes && !events.is_empty() {
                break;
            }
            to.pass(stored);
            events.push(Arc::clone(stored));
        }
        Tail {
            from,
            to,
            events,
            lost,
            floor: self.floor().id,
        }
    }

    /// The same, at most so many, with those that were erased.
    pub(super) fn newer(&self, position: LogPosition, max: usize) -> Tail {
        let (from, lost) = self.begin(position);
        let events = self.events.range(self.index(from.number)..).take(max);
        let events: Vec<_> = events.cloned().collect();
        let mut to = from;
        for stored in &events {
            to.pass(stored);
        }
        Tail {
            from,
            to,
            events,
            lost,
            floor: self.floor().id,
        }
    }

    /// Where the events after a position begin, and whether some before that are lost.
    fn begin(&self, position: LogPosition) -> (LogPosition, bool) {
        let is_here = position.epoch == self.head().epoch;
        if !is_here || position.number < self.floor().number {
            (self.floor(), true)
        } else {
            (position, false)
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::history::window::fixtures::{ALL, id, log, push};

    #[test]
    fn a_position_of_another_epoch_is_lost_and_goes_on_where_this_one_began() {
        let mut log = log();
        push(&mut log, 8, &["a"]);
        let position = log.head();
        log.restart(2, id(3));
        let tail = log.after(position, ALL);
        assert!(tail.lost);
        assert_eq!((tail.from.id, tail.to.id), (id(3), id(3)));
        push(&mut log, 4, &["a"]);
        let tail = log.after(position, ALL);
        assert!(tail.lost);
        assert_eq!((tail.from.id, tail.to.id), (id(3), id(4)));
        assert_eq!(tail.events.len(), 1);
    }
}
