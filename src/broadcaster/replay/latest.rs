//! The last events of topics, which are kept outside of retention, for a stream that begins or has lost events.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use super::{
    ReplayReader,
    buffers::{Lease, ReplayBuffers},
};
use crate::{
    broadcaster::item::Events,
    event::{EventId, Fetched, Fields, SelectedTopics, Selector, Topic},
    history::{
        Found, History, Limit, NameKind, NameRange, TopicRules, Unavailable, latest_key,
        topic_rules::{LATEST_PREFIX, topic_of},
    },
};

/// Most bytes of events in one part, or one larger event alone: a client that does not read keeps no more in memory.
const PART: Limit = Limit::new(usize::MAX, 256 << 10);
/// Values that are read at once: as many of the largest fit into the room for a part and its encoding.
const READ_AT_ONCE: usize = 8;
/// Names in one page of the list of keys.
const PAGE_NAMES: usize = 1_000;
/// Most bytes of keys that are kept of one pass through the list of keys.
const MAX_KEYS_BYTES: usize = 256 << 10;
/// What each of them counts beside its text.
const KEY_BYTES: usize = 64;

/// Which of the last events are sent, by their ids: those after `after`, up to `up_to`.
#[derive(Debug, Clone, Copy)]
pub(in crate::broadcaster) struct LatestRange {
    pub(in crate::broadcaster) after: EventId,
    pub(in crate::broadcaster) up_to: EventId,
}

impl LatestRange {
    fn holds(&self, id: EventId) -> bool {
        self.after < id && id <= self.up_to
    }
}

/// Some of the last events, in the order of their ids.
pub(in crate::broadcaster) struct LatestPart {
    pub(in crate::broadcaster) events: Option<Events>,
    /// What follows; `None` behind the last part.
    pub(in crate::broadcaster) rest: Option<LatestRange>,
}

/// Whether last events are kept of topics that this selector may select.
pub(in crate::broadcaster) fn selects_latest(rules: &TopicRules, selector: &Selector) -> bool {
    rules.have_latest()
        && match selector.selected() {
            SelectedTopics::Topics(topics) => {
                topics.iter().any(|topic| rules.keep_latest(topic.as_str()))
            }
            _ => true,
        }
}

impl ReplayReader {
    /// The first part of the last events in this range that the selector admits.
    pub(in crate::broadcaster) fn read_latest(
        &self,
        rules: &TopicRules,
        selector: &Arc<Selector>,
        range: LatestRange,
    ) -> impl Future<Output = Result<LatestPart, Unavailable>> + Send + use<> {
        let reading = LatestReading {
            history: Arc::clone(&self.history),
            buffers: Arc::clone(&self.buffers),
            rules: rules.clone(),
            selector: Arc::clone(selector),
            range,
        };
        reading.read()
    }
}

struct LatestReading {
    history: Arc<dyn History>,
    buffers: Arc<ReplayBuffers>,
    rules: TopicRules,
    selector: Arc<Selector>,
    range: LatestRange,
}

/// Keys of the oldest events in the range, and whether there are no others.
struct Keys {
    keys: Vec<String>,
    are_all: bool,
}

impl LatestReading {
    async fn read(self) -> Result<LatestPart, Unavailable> {
        // First, so that few go through the list of keys at a time.
        let lease = self.buffers.lease(self.buffers.most_encoded(PART)).await?;
        let Keys { keys, are_all } = self.keys().await?;
        let mut part = Part::default();
        let mut read_to = self.range.after;
        for keys in keys.chunks(READ_AT_ONCE) {
            for (id, value) in self.values(keys).await? {
                // An event of several topics is found by each of them.
                if id <= read_to {
                    continue;
                }
                if part.is_full_with(&value) {
                    return Ok(self.part(part, lease, Some(read_to)));
                }
                read_to = id;
                if let Some(found) = self.event(id, &value) {
                    part.push(found, &value);
                }
            }
        }
        Ok(self.part(part, lease, (!are_all).then_some(read_to)))
    }

    fn part(&self, part: Part, lease: Lease, more_after: Option<EventId>) -> LatestPart {
        let rest = |after| LatestRange {
            after,
            ..self.range
        };
        LatestPart {
            events: Events::read(part.events, lease),
            rest: more_after.map(rest),
        }
    }

    /// The event, if it is admitted. One that is in the window is shared with others.
    fn event(&self, id: EventId, value: &Bytes) -> Option<Found> {
        let fields = Fields::checked(value)?;
        if !self.selector.admits_fields(&fields) {
            return None;
        }
        let held = self.history.tail().find(id);
        let whole = held.filter(|stored| !stored.event().is_erased());
        let shared = whole.map(Found::Shared);
        Some(shared.unwrap_or_else(|| Found::Fetched(Fetched::new(id, id.ms(), value.clone()))))
    }

    /// What is under these keys and within the range, in the order of the ids.
    async fn values(&self, keys: &[String]) -> Result<Vec<(EventId, Bytes)>, Unavailable> {
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        let values = self.history.retained(&keys).await?.values;
        let values = values.into_iter().flatten().map(|(value, id)| (id, value));
        let mut values: Vec<_> = values.filter(|(id, _)| self.range.holds(*id)).collect();
        values.sort_by_key(|(id, _)| *id);
        Ok(values)
    }

    async fn keys(&self) -> Result<Keys, Unavailable> {
        if let SelectedTopics::Topics(topics) = self.selector.selected() {
            let topics = topics.iter().map(Topic::as_str);
            let kept = topics.filter(|topic| self.rules.keep_latest(topic));
            let keys: Vec<_> = kept.map(latest_key).collect();
            if keys.len() <= READ_AT_ONCE {
                return Ok(Keys {
                    keys,
                    are_all: true,
                });
            }
        }
        self.list().await
    }

    async fn list(&self) -> Result<Keys, Unavailable> {
        let mut first = FirstKeys::default();
        let mut after = String::new();
        loop {
            let range = NameRange::new(PAGE_NAMES)
                .prefix(LATEST_PREFIX)
                .after(&after);
            let names = self.history.names(NameKind::RetainedKeys, range).await?;
            let Some((last, _)) = names.found.last() else {
                break;
            };
            after.clone_from(last);
            for (key, id) in names.found {
                if self.range.holds(id) && topic_of(&key).is_some_and(|topic| self.selects(topic)) {
                    first.add(id, key);
                }
            }
            if !names.more {
                break;
            }
        }
        Ok(Keys {
            keys: first.keys.into_values().collect(),
            are_all: !first.has_dropped,
        })
    }

    fn selects(&self, topic: &str) -> bool {
        self.selector.selects_topic(topic) && self.rules.keep_latest(topic)
    }
}

#[derive(Default)]
struct Part {
    events: Vec<Found>,
    bytes: usize,
}

impl Part {
    fn is_full_with(&self, value: &Bytes) -> bool {
        !self.events.is_empty() && self.bytes + value.len() > PART.bytes
    }

    fn push(&mut self, found: Found, value: &Bytes) {
        self.bytes += value.len();
        self.events.push(found);
    }
}

/// Those with the least ids of all that are added: one for each id, since of several topics it is one event.
#[derive(Default)]
struct FirstKeys {
    keys: BTreeMap<EventId, String>,
    bytes: usize,
    has_dropped: bool,
}

impl FirstKeys {
    fn add(&mut self, id: EventId, key: String) {
        self.bytes += KEY_BYTES + key.len();
        if let Some(same) = self.keys.insert(id, key) {
            self.bytes -= KEY_BYTES + same.len();
        }
        while self.bytes > MAX_KEYS_BYTES
            && let Some((_, last)) = self.keys.pop_last()
        {
            self.bytes -= KEY_BYTES + last.len();
            self.has_dropped = true;
        }
    }
}
