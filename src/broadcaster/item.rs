//! What a subscription yields.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use super::{join::join, replay::buffers::Lease};
use crate::{
    encoding::StreamEncoding,
    event::{EncodingKey, EventId, Stored},
    history::Found,
    sse::Notice,
    sync::Mutex,
};

/// Longest data of an event whose encodings are copied for the streams of one shard.
const MAX_COPIED: usize = 4 << 10;

/// What a [`Subscription`](super::Subscription) yields.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Item {
    /// Events that the subscriber is due, oldest first: one, or all that are due in one step.
    Events(Events),
    /// What the stream says about itself.
    Notice(Notice),
    /// A piece of the state, as the stream's [`Snapshots`](super::Snapshots) encoded it.
    State(Bytes),
}

/// Events that a subscriber is due, oldest first; at least one, and about 128 KiB of them or one larger event.
/// They are shared with other subscribers: to clone them copies no event.
#[derive(Debug, Clone)]
pub struct Events(Kind);

/// A pointer each: items are moved for every subscriber.
#[derive(Debug, Clone)]
enum Kind {
    One(Arc<Stored>),
    Many(Arc<Many>),
}

#[derive(Debug)]
struct Many {
    events: Vec<Found>,
    joined: Mutex<Joined>,
}

/// What the events are encoded to, one behind the other, in those encodings that were asked for.
#[derive(Debug, Default)]
struct Joined {
    encoded: SmallVec<[(EncodingKey, Bytes); 1]>,
    /// Room in the budget of replays for the events and for one encoding, where they were read for it.
    lease: Option<Lease>,
}

impl Events {
    /// The one event that is due.
    pub(super) fn one(stored: &Arc<Stored>) -> Self {
        Self(Kind::One(Arc::clone(stored)))
    }

    /// Those that are due alike to many subscribers; `None` for no events.
    pub(super) fn due(events: &[&Arc<Stored>]) -> Option<Self> {
        match events {
            [] => None,
            [stored] => Some(Self::one(stored)),
            _ => {
                let events = events
                    .iter()
                    .map(|stored| Found::Shared(Arc::clone(stored)));
                Some(Self::many(events.collect(), None))
            }
        }
    }

    /// Those that were read from history; `None` for no events. They count against the budget of replays, but for
    /// a single event that others share. All who encode them must do so alike, since there is room for one encoding.
    pub(super) fn read(events: Vec<Found>, lease: Lease) -> Option<Self> {
        if let [Found::Shared(stored)] = &events[..] {
            return Some(Self::one(stored));
        }
        (!events.is_empty()).then(|| Self::many(events, Some(lease)))
    }

    /// Has the copies of these share encodings of their own, where there is one event, and a short one: threads that
    /// count the references to the same bytes wait for each other.
    pub(super) fn own_encodings(&mut self) {
        if let Kind::One(stored) = &self.0
            && stored.event().data().len() <= MAX_COPIED
        {
            *self = Self::many(vec![Found::Shared(Arc::clone(stored))], None);
        }
    }

    fn many(events: Vec<Found>, lease: Option<Lease>) -> Self {
        let joined = Mutex::new(Joined {
            encoded: SmallVec::new(),
            lease,
        });
        Self(Kind::Many(Arc::new(Many { events, joined })))
    }

    /// Oldest first.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            events: self,
            next: 0,
        }
    }

    /// How many they are; at least one.
    #[must_use]
    pub fn count(&self) -> usize {
        match &self.0 {
            Kind::One(_) => 1,
            Kind::Many(many) => many.events.len(),
        }
    }

    /// The id of the newest.
    #[must_use]
    pub fn last_id(&self) -> EventId {
        match &self.0 {
            Kind::One(stored) => stored.id(),
            Kind::Many(many) => many.events.last().map_or(EventId::new(0, 0), Found::id),
        }
    }

    /// Whether the newest finishes its topics.
    pub(super) fn end_with_finish(&self) -> bool {
        match &self.0 {
            Kind::One(stored) => stored.event().finishes(),
            Kind::Many(many) => many.events.last().is_some_and(Found::finishes),
        }
    }

    pub(super) fn text_bytes(&self) -> usize {
        match &self.0 {
            Kind::One(stored) => stored.event().data().len(),
            Kind::Many(many) => many.events.iter().map(Found::text_bytes).sum(),
        }
    }

    /// One behind the other in this encoding: once for all who ask.
    pub(super) fn encoded(&self, encoding: StreamEncoding<'_>) -> Bytes {
        match &self.0 {
            Kind::One(stored) => encoding.event(stored),
            Kind::Many(many) => many.encoded(encoding),
        }
    }

    /// They will not be encoded: what is held for that is free for others.
    pub(super) fn stay_unencoded(&self) {
        if let Kind::Many(many) = &self.0 {
            many.release(&mut many.joined.lock());
        }
    }
}

/// Events, oldest first. Each shares what the stream holds of it.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    events: &'a Events,
    next: usize,
}

impl Iterator for Iter<'_> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        let found = match &self.events.0 {
            Kind::One(stored) => (self.next == 0).then(|| Found::Shared(Arc::clone(stored))),
            Kind::Many(many) => many.events.get(self.next).cloned(),
        }?;
        self.next += 1;
        Some(found)
    }
}

impl<'a> IntoIterator for &'a Events {
    type Item = Found;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl Many {
    fn encoded(&self, encoding: StreamEncoding<'_>) -> Bytes {
        let key = encoding.key();
        let mut joined = self.joined.lock();
        if let Some((_, bytes)) = joined.encoded.iter().find(|(of, _)| *of == key) {
            return bytes.clone();
        }
        let is_past = joined.lease.is_some();
        let written = join(&self.events, encoding, is_past);
        let bytes = match &mut joined.lease {
            Some(lease) => lease.hold_apart(written),
            None => written.into(),
        };
        self.release(&mut joined);
        joined.encoded.push((key, bytes.clone()));
        bytes
    }

    /// Holds no more room than the events take.
    fn release(&self, joined: &mut Joined) {
        if let Some(lease) = &mut joined.lease {
            lease.shrink_to(self.events.iter().map(Found::held_bytes).sum());
        }
    }
}
