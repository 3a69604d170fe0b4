//! Events that are erased before retention drops them.

use crate::event::{Event, EventId, Topic};

/// Most events that one step erases, so that no step is long.
pub const MAX_ERASED_AT_ONCE: usize = 512;

/// Which events are erased.
///
/// A history that has erased something appends [`event`](Self::event) in the same step: every node whose window takes it
/// erases the same events there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The topic of the events.
    pub topic: Topic,
    /// The position up to which they are erased; `None` for all that are there.
    pub up_to: Option<EventId>,
    /// What becomes of events that have other topics, too.
    pub scope: EraseScope,
}

/// What an [`Erasure`] does with events that have other topics beside its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EraseScope {
    /// They are erased as well.
    Every,
    /// They stay.
    Alone,
}

/// What one step has erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Erased {
    /// How many events; at most [`MAX_ERASED_AT_ONCE`].
    pub events: usize,
    /// There may be more to erase, by a further step.
    pub more: bool,
}

impl Erasure {
    /// The topic of the events that tell other nodes, and the window, of an erasure.
    pub const TOPIC: &'static str = "$erased";

    /// Whether it erases this event, which has its topic and comes no later than its last.
    #[must_use]
    pub fn includes(&self, event: &Event) -> bool {
        !event.is_erased() && (self.scope == EraseScope::Every || event.topics().len() == 1)
    }

    /// The event that is appended in the step that erases up to `last`.
    #[must_use]
    pub fn event(&self, last: EventId) -> Event {
        let scope = match self.scope {
            EraseScope::Every => "every",
            EraseScope::Alone => "alone",
        };
        Event::internal(Self::TOPIC, format!("{scope} {last} {}", self.topic))
    }

    /// The erasure that an event tells of, if it is such an event.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        let [topic] = event.topics() else { return None };
        if topic.as_str() != Self::TOPIC {
            return None;
        }
        let mut parts = event.data().splitn(3, ' ');
        let scope = match parts.next()? {
            "every" => EraseScope::Every,
            "alone" => EraseScope::Alone,
            _ => return None,
        };
        Some(Self {
            scope,
            up_to: Some(parts.next()?.parse().ok()?),
            topic: Topic::uri(parts.next()?).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_erasure_is_read_back_from_its_event() {
        for (topic, scope) in [
            ("a topic", EraseScope::Every),
            ("https://example.com/{id}", EraseScope::Alone),
        ] {
            let topic = Topic::uri(topic).unwrap();
            let last = EventId::new(7, 3);
            let erasure = |up_to| Erasure {
                topic: topic.clone(),
                up_to,
                scope,
            };
            let event = erasure(None).event(last);
            assert_eq!(Erasure::of(&event), Some(erasure(Some(last))));
        }
        let other = Event::builder("every 7-3 a").topic("a").build().unwrap();
        assert_eq!(Erasure::of(&other), None);
    }
}
