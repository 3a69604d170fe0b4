//! What streams have to send, derived from a plain list of the published events.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sse_broadcaster::{Event, EventId, Format, Selector};

use crate::model::wire::Block;

pub const TOPICS: [&str; 3] = ["a", "b", "c"];
pub const EVERY_TOPIC: u8 = 0b111;

/// What a subscriber interest for: bits of [`TOPICS`], none of them for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interest {
    pub topics: u8,
    pub private: bool,
}

impl Interest {
    pub fn selector(self) -> Selector {
        let selector = match self.topics {
            0 => Selector::all(),
            topics => Selector::topics(&names(topics)).unwrap(),
        };
        if self.private {
            selector.with_private()
        } else {
            selector
        }
    }

    pub fn admits(self, event: &Published) -> bool {
        let asked = self.topics == 0 || self.topics & event.topics != 0;
        asked && (self.private || !event.private)
    }
}

pub fn names(topics: u8) -> Vec<&'static str> {
    let asked = |(bit, _): &(usize, &&str)| topics & (1 << bit) != 0;
    let topics = TOPICS.iter().enumerate().filter(asked);
    topics.map(|(_, name)| *name).collect()
}

/// What a topic takes that history has no other event of.
pub const NEW_TOPIC_BYTES: usize = 160;

#[derive(Debug, Clone)]
pub struct Published {
    pub id: EventId,
    pub topics: u8,
    pub private: bool,
    pub key: Option<u8>,
    pub data: String,
    /// What it takes in memory, but for topics that no other event has.
    pub memory: usize,
}

/// When an event with this id was published.
pub fn time(id: EventId) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(id.ms())
}

impl Published {
    /// What a publish of `event` left in history at `id`.
    pub fn new(id: EventId, topics: u8, key: Option<u8>, event: &Event) -> Self {
        Self {
            id,
            topics,
            private: event.is_private(),
            key,
            data: event.data().into(),
            memory: event.most_memory() - event.topics().len() * NEW_TOPIC_BYTES,
        }
    }
}

pub fn event(topics: u8, private: bool, key: Option<u8>, data: String) -> Event {
    let named = names(topics).into_iter().fold(
        Event::builder(data),
        sse_broadcaster::event::EventBuilder::topic,
    );
    let event = match key {
        Some(key) => named.idempotency_key(idempotency_key(key)),
        None => named,
    };
    let event = if private { event.private() } else { event };
    event.build().unwrap()
}

pub fn idempotency_key(number: u8) -> String {
    format!("key-{number}")
}

/// Everything that was published, in order.
#[derive(Debug)]
pub struct Log {
    pub birth: EventId,
    pub events: Vec<Published>,
}

impl Log {
    pub fn new(birth: EventId) -> Self {
        Self {
            birth,
            events: Vec::new(),
        }
    }

    pub fn push(&mut self, event: Published) {
        assert!(event.id > self.head(), "ids strictly increase");
        self.events.push(event);
    }

    pub fn head(&self) -> EventId {
        self.before(self.events.len())
    }

    /// The position before the event of this index.
    pub fn before(&self, index: usize) -> EventId {
        match index.checked_sub(1) {
            Some(before) => self.events[before].id,
            None => self.birth,
        }
    }

    pub fn index_after(&self, id: EventId) -> usize {
        self.events.partition_point(|event| event.id <= id)
    }

    /// Streams are sent only positions of events, and the position at which the log began.
    pub fn has(&self, id: EventId) -> bool {
        self.before(self.index_after(id)) == id
    }

    /// What these interest admit after one position and up to another.
    pub fn matching(
        &self,
        interest: Interest,
        after: EventId,
        to: EventId,
    ) -> impl Iterator<Item = &Published> {
        let some = self.events[self.index_after(after)..].iter();
        some.take_while(move |event| event.id <= to)
            .filter(move |event| interest.admits(event))
    }
}

/// What a stream has to begin with.
#[derive(Debug, Clone, Copy)]
pub enum Opening {
    /// No gap, and `connected` at or before this head.
    Live(EventId),
    /// Exactly this.
    At { gap: bool, at: EventId },
    /// History was read at a moment that the model does not know. Without a gap `connected` is at
    /// this id; a gap is true only if it goes on behind it.
    After(EventId),
    /// Anything.
    Any,
}

/// Reads one stream as the server writes it.
#[derive(Debug)]
pub struct Reader {
    interest: Interest,
    format: Format,
    gap: Option<EventId>,
    /// Everything that matches up to here was sent or announced as lost.
    pub at: Option<EventId>,
}

impl Reader {
    pub fn new(interest: Interest, format: Format) -> Self {
        Self {
            interest,
            format,
            gap: None,
            at: None,
        }
    }

    /// `floor`: the trim floor when the block was written, or later.
    pub fn see(
        &mut self,
        block: &Block,
        log: &Log,
        floor: EventId,
        opening: Opening,
        strict: bool,
    ) {
        let Some(id) = block.id.as_deref() else {
            // History is out of reach: the client keeps the id that it brought, if any.
            let seen = (block.name.as_deref(), &block.data[..], self.at);
            assert_eq!(seen, (Some("position"), r#"{"id":null}"#, None));
            return;
        };
        let id: EventId = id.parse().unwrap();
        assert!(log.has(id), "{id} is no position");
        match (block.name.as_deref(), self.at) {
            (Some("gap"), at) => {
                assert!(
                    id <= floor,
                    "a gap up to {id}, which history still holds: {floor}"
                );
                match at {
                    None => assert!(self.gap.replace(id).is_none(), "a gap was sent twice"),
                    Some(at) => self.lose(at, id, log, strict),
                }
            }
            (Some("connected"), None) => {
                self.connect(id, opening);
                self.at = Some(id);
            }
            (Some("position"), Some(at)) => {
                assert!(id >= at, "the position {id} after {at}");
                let passed = log.matching(self.interest, at, id).next();
                assert!(passed.is_none(), "the position {id} passes over {passed:?}");
                self.at = Some(id);
            }
            (None, Some(at)) => self.take(at, id, &block.data, log),
            _ => panic!("a block out of place: {block:?} at {:?}", self.at),
        }
    }

    fn connect(&self, id: EventId, opening: Opening) {
        match opening {
            Opening::Live(head) => {
                assert!(self.gap.is_none(), "a fresh stream has a gap");
                assert!(id <= head, "connected at {id}, past {head}");
            }
            Opening::At { gap, at } => {
                assert_eq!(self.gap, gap.then_some(at), "the gap that is announced");
                assert_eq!(id, at, "where the stream begins");
            }
            Opening::After(brought) => match self.gap {
                None => assert_eq!(id, brought, "where the stream begins"),
                Some(gap) => assert!(gap > brought && id == gap, "a false gap at {brought}"),
            },
            Opening::Any => assert!(self.gap.is_none_or(|gap| gap == id)),
        }
    }

    fn lose(&mut self, at: EventId, to: EventId, log: &Log, strict: bool) {
        assert!(to > at, "a gap up to {to} after {at}");
        let lost = log.matching(self.interest, at, to).next().is_some();
        assert!(
            lost || !strict,
            "a false gap: nothing was lost from {at} to {to}"
        );
        self.at = Some(to);
    }

    fn take(&mut self, at: EventId, id: EventId, data: &str, log: &Log) {
        let next = log.matching(self.interest, at, log.head()).next();
        let next = next.unwrap_or_else(|| panic!("{id} after {at}, where nothing is due"));
        assert_eq!(id, next.id, "what is due after {at}");
        match self.format {
            Format::Sse => assert_eq!(data, next.data),
            Format::Json => assert!(data.contains(&format!("\"data\":\"{}\"", next.data))),
            format => panic!("the model does not read {format:?}"),
        }
        self.at = Some(id);
    }
}

/// What one client has seen over all of its streams.
#[derive(Debug, Default)]
pub struct Received {
    start: Option<EventId>,
    seen: Vec<EventId>,
    gaps: Vec<(EventId, EventId)>,
    /// Of the last whole block that it got.
    pub last_id: Option<String>,
}

impl Received {
    pub fn see(&mut self, block: &Block) {
        // Keeps the id that it brought.
        if block.id.is_none() {
            return;
        }
        let id: EventId = block.id.as_deref().unwrap().parse().unwrap();
        let last: Option<EventId> = self.last_id.as_deref().and_then(|id| id.parse().ok());
        match (block.name.as_deref(), last) {
            (Some("gap"), Some(last)) if self.start.is_some() => self.gaps.push((last, id)),
            (None, _) => self.seen.push(id),
            _ => {}
        }
        assert!(
            Some(id) >= last,
            "the last id went back: {id} after {last:?}"
        );
        self.start.get_or_insert(id);
        self.last_id.clone_from(&block.id);
    }

    /// Everything that matches from the first position on was seen once, in order, or announced.
    pub fn check(&self, interest: Interest, log: &Log) {
        let Some(start) = self.start else { return };
        let announced = |id: EventId| self.gaps.iter().any(|(from, to)| *from < id && id <= *to);
        let due = log
            .matching(interest, start, log.head())
            .map(|event| event.id);
        let due: Vec<EventId> = due.filter(|id| !announced(*id)).collect();
        assert_eq!(
            self.seen, due,
            "seen, and due after {start} but for {:?}",
            self.gaps
        );
    }
}
