//! What an event takes in memory, which is what the window's bound in bytes counts.
//!
//! An event's share is estimated from the sizes of what it is kept in, as the allocator rounds them up, with room for
//! collections that grow by doubling.

use super::{Alias, Event, EventName, MAX_NAME_BYTES, Stored, Topic, Traceparent};

/// An event's entry in the window, and what it is kept in beside its text.
const STORED_BYTES: usize = 9 * (size_of::<Stored>() + 16) / 8 + 16 + 64;
/// A text that is shared.
const TEXT_OVERHEAD_BYTES: usize = 32;
/// An event's entry among a topic's.
const TOPIC_OVERHEAD_BYTES: usize = size_of::<Topic>() + 16;
/// A topic that the window has no event of yet: its entry, and room for a few events.
pub(crate) const NEW_TOPIC_BYTES: usize = 160;
/// An idempotency key's entry among all.
const KEY_OVERHEAD_BYTES: usize = 96;
/// An alias's entry among all.
const ALIAS_OVERHEAD_BYTES: usize = 64;
/// The trace of an event that has one, as the allocator rounds it up.
const TRACEPARENT_BYTES: usize = size_of::<Traceparent>().next_multiple_of(16);
/// What an encoding takes beside the text, and its entry among those that are kept.
const ENCODED_OVERHEAD_BYTES: usize = 64 + 64 + 64;

impl Event {
    /// What the event takes in memory, with its entries in indexes and the bytes that are reserved for its
    /// encodings, but for topics that no other event there has.
    pub(crate) fn memory(&self) -> usize {
        let text = |text: &str| TEXT_OVERHEAD_BYTES + text.len();
        let topics = self.topics.iter();
        let name = self.name.as_ref().map(EventName::as_str).map_or(0, text);
        let idempotency_key = self.idempotency_key.as_ref().map_or(0, |idempotency_key| {
            KEY_OVERHEAD_BYTES + text(idempotency_key.as_str())
        });
        let alias = self.alias.as_ref().map(Alias::as_str);
        let alias = alias.map_or(0, |alias| ALIAS_OVERHEAD_BYTES + text(alias));
        let traceparent = self.traceparent.as_ref().map_or(0, |_| TRACEPARENT_BYTES);
        STORED_BYTES
            + topics
                .map(|topic| TOPIC_OVERHEAD_BYTES + text(topic.as_str()))
                .sum::<usize>()
            + name
            + idempotency_key
            + alias
            + traceparent
            + self.data.len()
            + self.data.len() / 8
            + self.encoded_bytes()
    }

    /// What is reserved in memory for its encodings.
    pub(crate) fn encoded_bytes(&self) -> usize {
        if self.erased {
            return 0;
        }
        let name = self.name.as_ref().map_or(0, |name| name.as_str().len());
        ENCODED_OVERHEAD_BYTES + name + self.data.len() + self.data.len() / 8
    }

    /// The most that the event may take in memory.
    #[must_use]
    pub fn most_memory(&self) -> usize {
        self.memory() + self.topics.len() * NEW_TOPIC_BYTES
    }

    /// What an event with so many bytes of data, and a topic, name and idempotency key as long as any, takes in memory.
    #[must_use]
    pub fn largest_memory(data_bytes: usize) -> usize {
        let names = TOPIC_OVERHEAD_BYTES + NEW_TOPIC_BYTES + KEY_OVERHEAD_BYTES;
        let texts = 3 * TEXT_OVERHEAD_BYTES + 4 * MAX_NAME_BYTES;
        let data = data_bytes + data_bytes / 8;
        STORED_BYTES + names + texts + TRACEPARENT_BYTES + 2 * data + ENCODED_OVERHEAD_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_takes_memory_only_in_an_event_that_has_one() {
        let event = Event::builder("x").build().unwrap();
        let sampled = Traceparent::new([1; 16], [2; 8], true);
        let unsampled = Traceparent::new([1; 16], [2; 8], false);
        let memory = |traceparent| event.clone().in_trace(traceparent).memory();
        assert_eq!(memory(unsampled), event.memory());
        assert_eq!(memory(sampled), event.memory() + TRACEPARENT_BYTES);
        assert!(size_of::<Event>() <= 120);
    }
}
