//! What comes behind the tail's position: entries of the stream, and what is left of erased events.

use super::entry::{self, Entry};
use sse_broadcaster::event::EventId;

/// In the order of their ids.
pub(super) struct Behind {
    /// What is left at the position itself, where the event there was erased.
    pub(super) here: Option<Entry>,
    pub(super) entries: Vec<Entry>,
    /// These are all.
    pub(super) is_all: bool,
}

impl Behind {
    /// Of the entries behind a position, at most so many, and of what was found later: what is left of erased events
    /// from the position on, up to `erased_to` where there is more.
    pub(super) fn merge(
        mut entries: Vec<Entry>,
        mut erased: Vec<Entry>,
        (position, max_entries): (EventId, usize),
        erased_to: Option<EventId>,
    ) -> Self {
        // The event that tells of an erasure comes behind the erased: what lies behind the last entry has come since,
        // and other entries with it.
        let last = entries.last().map_or(position, |entry| entry.id);
        let to = erased_to.map_or(last, |erased_to| erased_to.min(last));
        let is_all = entries.len() < max_entries && to == last;
        entries.retain(|entry| entry.id <= to);
        erased.retain(|entry| entry.id <= to);
        let is_here = erased.first().is_some_and(|entry| entry.id == position);
        let here = is_here.then(|| erased.remove(0));
        Self {
            here,
            entries: entry::merged(entries, erased),
            is_all,
        }
    }
}

#[cfg(test)]
mod tests {
    use ::redis::Value;

    use super::*;

    fn id(ms: u64) -> EventId {
        EventId::new(ms, 1)
    }

    fn entries(ids: &[u64]) -> Vec<Entry> {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let entry = |ms: &u64| {
            let fields = Value::Array(vec![text("a"), text("data")]);
            Value::Array(vec![text(&id(*ms).to_string()), fields])
        };
        entry::entries(Value::Array(ids.iter().map(entry).collect())).unwrap()
    }

    fn erased(ids: &[u64]) -> Vec<Entry> {
        let member = |ms: &u64| {
            let member = format!("*{ms:020}-{:020} -\na", 1);
            Value::BulkString(member.into_bytes())
        };
        entry::erased_entries(Value::Array(ids.iter().map(member).collect())).unwrap()
    }

    /// With whether each was erased.
    fn ids(entries: &[Entry]) -> Vec<(u64, bool)> {
        let id = |entry: &Entry| (entry.id.ms(), entry.is_erased);
        entries.iter().map(id).collect()
    }

    #[test]
    fn erased_events_are_among_the_entries_in_the_order_of_ids() {
        let behind = Behind::merge(entries(&[3, 5]), erased(&[1, 2, 4]), (id(1), 10), None);
        assert!(behind.is_all && behind.here.is_some());
        assert_eq!(
            ids(&behind.entries),
            [(2, true), (3, false), (4, true), (5, false)]
        );
    }

    #[test]
    fn what_was_erased_behind_the_last_entry_waits_for_the_entries_that_came_with_it() {
        let behind = Behind::merge(entries(&[3]), erased(&[2, 9]), (id(1), 10), None);
        assert!(behind.is_all && behind.here.is_none());
        assert_eq!(ids(&behind.entries), [(2, true), (3, false)]);
        let behind = Behind::merge(entries(&[]), erased(&[9]), (id(1), 10), None);
        assert!(behind.is_all && behind.entries.is_empty());
    }

    #[test]
    fn entries_end_where_not_all_erased_events_are_known() {
        let behind = Behind::merge(entries(&[3, 8]), erased(&[2, 4]), (id(1), 10), Some(id(4)));
        assert!(!behind.is_all);
        assert_eq!(ids(&behind.entries), [(2, true), (3, false), (4, true)]);
        let full = Behind::merge(entries(&[3, 8]), erased(&[]), (id(1), 2), None);
        assert!(!full.is_all);
    }

    #[test]
    fn an_event_that_was_erased_between_the_two_looks_is_erased() {
        let behind = Behind::merge(entries(&[3, 4]), erased(&[3]), (id(1), 10), None);
        assert_eq!(ids(&behind.entries), [(3, true), (4, false)]);
    }
}
