//! Events that could not be read any more, as the ranges of positions that they had. Reads meet each of
//! them as a gap, and retention drops it with the events around it.

use sse_broadcaster::event::EventId;

/// Most ranges that are kept. Past it the oldest are joined, with what is readable between them.
const MAX_RANGES: usize = 4_096;

/// Nothing behind `after`, up to `to`, can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) after: EventId,
    pub(super) to: EventId,
}

/// In order, none of them overlapping another.
#[derive(Debug, Clone, Default)]
pub(super) struct LostRanges(Vec<Lost>);

impl LostRanges {
    pub(super) fn new(mut ranges: Vec<Lost>) -> Self {
        ranges.retain(|lost| lost.after < lost.to);
        ranges.sort_unstable_by_key(|lost| lost.after);
        let mut joined: Vec<Lost> = Vec::with_capacity(ranges.len());
        for lost in ranges {
            match joined.last_mut() {
                Some(last) if lost.after <= last.to => last.to = last.to.max(lost.to),
                _ => joined.push(lost),
            }
        }
        if let Some(excess) = joined.len().checked_sub(MAX_RANGES).filter(|n| *n > 0) {
            let (first, last) = (joined[0], joined[excess]);
            joined.splice(
                ..=excess,
                [Lost {
                    after: first.after,
                    to: last.to,
                }],
            );
        }
        Self(joined)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Lost> + '_ {
        self.0.iter().copied()
    }

    pub(super) fn first(&self) -> Option<Lost> {
        self.0.first().copied()
    }

    pub(super) fn last(&self) -> Option<Lost> {
        self.0.last().copied()
    }

    /// Whether an event had this position, or may have had it.
    pub(super) fn hold(&self, id: EventId) -> bool {
        let next = self.0.iter().find(|lost| lost.to >= id);
        next.is_some_and(|lost| lost.after < id)
    }

    /// The end of the range that begins at this position or goes on behind it.
    pub(super) fn end_of_gap(&self, at: EventId) -> Option<EventId> {
        let next = self.0.iter().find(|lost| lost.to > at)?;
        (next.after <= at).then_some(next.to)
    }

    /// Where reading from this position has to stop.
    pub(super) fn begin_behind(&self, at: EventId) -> Option<EventId> {
        let next = self.0.iter().find(|lost| lost.to > at)?;
        Some(next.after)
    }

    /// Whether a range lies between two events.
    pub(super) fn lies_between(&self, before: EventId, behind: EventId) -> bool {
        let next = self.0.iter().find(|lost| lost.to > before);
        next.is_some_and(|lost| lost.to < behind)
    }

    /// Takes away those that end at or before the trim floor.
    pub(super) fn drop_to(&mut self, floor: EventId) -> Vec<Lost> {
        let kept = self.0.partition_point(|lost| lost.to <= floor);
        self.0.drain(..kept).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(ms: u64) -> EventId {
        EventId::new(ms, 1)
    }

    fn ranges(ranges: &[(u64, u64)]) -> LostRanges {
        let lost = |(after, to): &(u64, u64)| Lost {
            after: id(*after),
            to: id(*to),
        };
        LostRanges::new(ranges.iter().map(lost).collect())
    }

    #[test]
    fn a_position_in_a_lost_range_leads_to_its_end() {
        let lost = ranges(&[(10, 20), (30, 40)]);
        assert_eq!(lost.end_of_gap(id(9)), None);
        assert_eq!(lost.end_of_gap(id(10)), Some(id(20)));
        assert_eq!(lost.end_of_gap(id(15)), Some(id(20)));
        assert_eq!(lost.end_of_gap(id(20)), None);
        assert_eq!(lost.begin_behind(id(20)), Some(id(30)));
        assert_eq!(lost.begin_behind(id(40)), None);
        assert!(!lost.hold(id(10)) && lost.hold(id(11)) && lost.hold(id(20)));
        assert!(lost.lies_between(id(10), id(21)));
        assert!(!lost.lies_between(id(20), id(30)));
    }

    #[test]
    fn ranges_that_touch_are_one_and_those_before_the_trim_floor_are_dropped() {
        let mut lost = ranges(&[(30, 40), (10, 20), (15, 30)]);
        assert_eq!(lost.iter().count(), 1);
        assert_eq!(lost.end_of_gap(id(10)), Some(id(40)));
        assert!(lost.drop_to(id(39)).is_empty());
        assert_eq!(lost.drop_to(id(40)).len(), 1);
        assert!(lost.last().is_none());
    }

    #[test]
    fn a_disk_that_lost_many_parts_has_the_oldest_joined() {
        let many: Vec<_> = (0..MAX_RANGES as u64 + 10)
            .map(|n| (10 * n, 10 * n + 5))
            .collect();
        let lost = ranges(&many);
        assert_eq!(lost.iter().count(), MAX_RANGES);
        assert_eq!(lost.end_of_gap(id(0)), Some(id(105)));
    }
}
