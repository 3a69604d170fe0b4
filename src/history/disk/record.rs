//! What is written in the engine: events under their ids, places under topics, own ids, retained
//! values, and where the log stands.
//!
//! Numbers are big-endian, so that keys sort as what they stand for.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Instant,
};

use bytes::Bytes;

use crate::event::{Event, EventId, EventName, OwnId, Topic, Topics};

/// Sorts behind every other key of its keyspace.
pub(super) const STANDING_KEY: [u8; 17] = [0xff; 17];

/// Longer than any event id, as bytes.
const ID_BYTES: usize = 16;

const PRIVATE: u8 = 1;
const NAMED: u8 = 2;
const OWN: u8 = 4;
const RETRY: u8 = 8;

/// What was read cannot have been written by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damaged;

pub(super) fn id_key(id: EventId) -> [u8; ID_BYTES] {
    let mut key = [0; ID_BYTES];
    key[..8].copy_from_slice(&id.ms().to_be_bytes());
    key[8..].copy_from_slice(&id.seq().to_be_bytes());
    key
}

pub(super) fn id_of(key: &[u8]) -> Result<EventId, Damaged> {
    let mut reader = Reader(key);
    let id = reader.id()?;
    reader.0.is_empty().then_some(id).ok_or(Damaged)
}

/// Topics hold no control character, so zero ends one.
pub(super) fn topic_key(topic: &Topic, id: EventId) -> Vec<u8> {
    let topic = topic.as_str().as_bytes();
    let mut key = Vec::with_capacity(topic.len() + 2 + ID_BYTES);
    key.push(b't');
    key.extend_from_slice(topic);
    key.push(0);
    key.extend_from_slice(&id_key(id));
    key
}

pub(super) fn id_of_topic_key(key: &[u8]) -> Result<EventId, Damaged> {
    let start = key.len().checked_sub(ID_BYTES).ok_or(Damaged)?;
    id_of(&key[start..])
}

pub(super) fn own_id_key(own_id: &str) -> Vec<u8> {
    [b"o", own_id.as_bytes()].concat()
}

/// What an own id stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    /// `once`: no other event of this log had it, so that it stands for one position.
    Held { id: EventId, once: bool },
    /// Its event was dropped.
    Spent,
}

impl Own {
    pub(super) fn encode(self) -> Vec<u8> {
        match self {
            Self::Held { id, once } => [&id_key(id)[..], &[u8::from(once)]].concat(),
            Self::Spent => Vec::new(),
        }
    }

    pub(super) fn decode(value: &[u8]) -> Result<Self, Damaged> {
        if value.is_empty() {
            return Ok(Self::Spent);
        }
        let mut reader = Reader(value);
        let id = reader.id()?;
        let once = reader.byte()? == 1;
        Ok(Self::Held { id, once })
    }
}

pub(super) fn encode_retained(value: &[u8], at: EventId) -> Vec<u8> {
    [&id_key(at), value].concat()
}

pub(super) fn decode_retained(value: &[u8]) -> Result<(Bytes, EventId), Damaged> {
    let mut reader = Reader(value);
    let at = reader.id()?;
    Ok((Bytes::copy_from_slice(reader.0), at))
}

/// Where a log stands, as of one commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) epoch: u64,
    /// The last id given, or the birth id; and how many were given before and with it.
    pub(super) head: EventId,
    pub(super) head_number: u64,
    /// The last id that retention dropped, or the birth id.
    pub(super) floor: EventId,
    pub(super) floor_number: u64,
    /// By [`Event::cost`].
    pub(super) bytes: u64,
    /// Own ids that are kept though their events are gone.
    pub(super) spent: u64,
    /// No more of these are kept, so nobody can say of a new one that it is.
    pub(super) spent_overflowed: bool,
}

impl Standing {
    pub(super) fn events(&self) -> u64 {
        self.head_number - self.floor_number
    }

    pub(super) fn has_dropped(&self) -> bool {
        self.floor_number > 0
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let numbers = [
            self.epoch,
            self.head.ms(),
            self.head.seq(),
            self.head_number,
            self.floor.ms(),
            self.floor.seq(),
            self.floor_number,
            self.bytes,
            self.spent,
            u64::from(self.spent_overflowed),
        ];
        numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
    }

    pub(super) fn decode(value: &[u8]) -> Result<Self, Damaged> {
        let mut reader = Reader(value);
        let standing = Self {
            epoch: reader.number()?,
            head: reader.id()?,
            head_number: reader.number()?,
            floor: reader.id()?,
            floor_number: reader.number()?,
            bytes: reader.number()?,
            spent: reader.number()?,
            spent_overflowed: reader.number()? == 1,
        };
        let in_order = standing.floor <= standing.head
            && standing.floor_number <= standing.head_number
            && reader.0.is_empty();
        in_order.then_some(standing).ok_or(Damaged)
    }
}

/// An event and its number in the log.
pub(super) fn encode_event(number: u64, event: &Event) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + event.data().len());
    let flag = |set: bool, flag| if set { flag } else { 0 };
    out.push(
        flag(event.is_private(), PRIVATE)
            | flag(event.name().is_some(), NAMED)
            | flag(event.own_id().is_some(), OWN)
            | flag(event.retry_ms().is_some(), RETRY),
    );
    out.extend_from_slice(&number.to_be_bytes());
    if let Some(retry) = event.retry_ms() {
        out.extend_from_slice(&retry.to_be_bytes());
    }
    out.push(u8::try_from(event.topics().len()).unwrap_or(u8::MAX));
    for topic in event.topics() {
        push_name(&mut out, topic.as_str());
    }
    if let Some(name) = event.name() {
        push_name(&mut out, name.as_str());
    }
    if let Some(own_id) = event.own_id() {
        push_name(&mut out, own_id.as_str());
    }
    out.extend_from_slice(event.data().as_bytes());
    out
}

fn push_name(out: &mut Vec<u8>, name: &str) {
    let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(name.as_bytes());
}

/// Topics that a reader of events remembers, so that events share them.
const KNOWN_TOPICS: usize = 256;

/// Reads events, one after the other.
#[derive(Debug)]
pub(super) struct Decoder {
    pub(super) began: Instant,
    /// Each at the place that its hash says, the last that was read.
    topics: Vec<Option<Topic>>,
    hasher: RandomState,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            topics: vec![None; KNOWN_TOPICS],
            hasher: RandomState::new(),
        }
    }
}

impl Decoder {
    pub(super) fn event(&mut self, value: &[u8]) -> Result<(u64, Event), Damaged> {
        let mut reader = Reader(value);
        let flags = reader.byte()?;
        let number = reader.number()?;
        let has = |flag| flags & flag != 0;
        let retry_ms = has(RETRY).then(|| reader.number()).transpose()?;
        let count = usize::from(reader.byte()?);
        let mut topics = Topics::with_capacity(count);
        for _ in 0..count {
            topics.push(self.topic(reader.name()?)?);
        }
        let name = has(NAMED).then(|| reader.name()).transpose()?;
        let own_id = has(OWN).then(|| reader.name()).transpose()?;
        let event = Event::restored(
            topics,
            name.map(EventName::new).transpose().map_err(|_| Damaged)?,
            str::from_utf8(reader.0).map_err(|_| Damaged)?.to_owned(),
            own_id.map(OwnId::new).transpose().map_err(|_| Damaged)?,
            retry_ms,
            has(PRIVATE),
        );
        Ok((number, event))
    }

    fn topic(&mut self, name: &str) -> Result<Topic, Damaged> {
        let hash = self.hasher.hash_one(name) % KNOWN_TOPICS as u64;
        let known = &mut self.topics[usize::try_from(hash).unwrap_or_default()];
        match known {
            Some(topic) if topic.as_str() == name => Ok(topic.clone()),
            _ => {
                let topic = Topic::new(name).map_err(|_| Damaged)?;
                Ok(known.insert(topic).clone())
            }
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Damaged> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Damaged> {
        Ok(self.take(1)?[0])
    }

    fn number(&mut self) -> Result<u64, Damaged> {
        let bytes = self.take(8)?.try_into().map_err(|_| Damaged)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn id(&mut self) -> Result<EventId, Damaged> {
        Ok(EventId::new(self.number()?, self.number()?))
    }

    fn name(&mut self) -> Result<&'a str, Damaged> {
        let length = self.take(2)?.try_into().map_err(|_| Damaged)?;
        let name = self.take(usize::from(u16::from_be_bytes(length)))?;
        str::from_utf8(name).map_err(|_| Damaged)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn events_read_back_as_they_were_written() {
        let plain = Event::builder("x").build().unwrap();
        let full = Event::builder("two\nlines")
            .topic("a")
            .topic("b")
            .name("named")
            .own_id("own")
            .retry(Duration::from_secs(3))
            .private()
            .build()
            .unwrap();
        let mut decoder = Decoder::default();
        for (number, event) in [(1, &plain), (2, &full), (3, &plain), (4, &full)] {
            let read = decoder.event(&encode_event(number, event)).unwrap();
            assert_eq!(read, (number, event.clone()));
        }
    }

    #[test]
    fn what_was_cut_short_is_damaged_and_no_panic() {
        let event = Event::builder("x")
            .topic("a")
            .own_id("own")
            .build()
            .unwrap();
        let whole = encode_event(1, &event);
        for end in 0..whole.len() - 1 {
            assert_eq!(
                Decoder::default().event(&whole[..end]),
                Err(Damaged),
                "{end}"
            );
        }
        assert_eq!(Standing::decode(&[0; 79]), Err(Damaged));
        assert_eq!(Own::decode(&[1]), Err(Damaged));
        assert_eq!(id_of_topic_key(b"t"), Err(Damaged));
    }
}
