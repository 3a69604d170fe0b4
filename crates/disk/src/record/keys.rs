//! The keys of the engine's keyspaces.

use super::{Damaged, Reader};
use sse_broadcaster::event::EventId;

/// Sorts behind every other key of its keyspace.
pub(crate) const STANDING_KEY: [u8; 17] = [0xff; 17];

/// Of the times at which the clock went back.
pub(crate) const STEPS_KEY: [u8; 1] = *b"c";

/// Is there while a repair is under way.
pub(crate) const REPAIR_KEY: [u8; 1] = *b"d";

/// Longer than any event id, as bytes.
const ID_BYTES: usize = 16;

pub(crate) fn id_key(id: EventId) -> [u8; ID_BYTES] {
    let mut key = [0; ID_BYTES];
    key[..8].copy_from_slice(&id.ms().to_be_bytes());
    key[8..].copy_from_slice(&id.seq().to_be_bytes());
    key
}

pub(crate) fn id_of(key: &[u8]) -> Result<EventId, Damaged> {
    let mut reader = Reader(key);
    let id = reader.id()?;
    reader.0.is_empty().then_some(id).ok_or(Damaged)
}

/// Which events of a topic: those that are whole, or what is left of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listed {
    Whole,
    Erased,
}

impl Listed {
    pub(crate) fn of(is_erased: bool) -> Self {
        if is_erased { Self::Erased } else { Self::Whole }
    }

    fn prefix(self) -> u8 {
        match self {
            Self::Whole => b't',
            Self::Erased => b'e',
        }
    }
}

/// Topics hold no control character, so zero ends one.
pub(crate) fn topic_key(listed: Listed, topic: &str, id: EventId) -> Vec<u8> {
    let topic = topic.as_bytes();
    let mut key = Vec::with_capacity(topic.len() + 2 + ID_BYTES);
    key.push(listed.prefix());
    key.extend_from_slice(topic);
    key.push(0);
    key.extend_from_slice(&id_key(id));
    key
}

/// What is kept under such a key: whether the event has other topics, which spares a read of it. Entries of older versions
/// do not say.
pub(crate) fn topic_value(topics: usize) -> &'static [u8] {
    if topics > 1 { b"+" } else { b"" }
}

/// Where the keys of whole events begin whose topics come behind this text or begin with it.
pub(crate) fn topic_keys_from(text: &str) -> Vec<u8> {
    [b"t", text.as_bytes()].concat()
}

/// Behind every key of whole events.
pub(crate) const TOPIC_KEYS_END: [u8; 1] = [b't' + 1];

pub(crate) fn topic_of_key(key: &[u8]) -> Result<&str, Damaged> {
    let end = key.len().checked_sub(ID_BYTES + 1).ok_or(Damaged)?;
    let topic = key.get(1..end).ok_or(Damaged)?;
    str::from_utf8(topic).map_err(|_| Damaged)
}

pub(crate) fn id_of_topic_key(key: &[u8]) -> Result<EventId, Damaged> {
    let start = key.len().checked_sub(ID_BYTES).ok_or(Damaged)?;
    id_of(&key[start..])
}

/// Of events that were lost: the last position that one of them may have had.
pub(crate) fn lost_key(to: EventId) -> Vec<u8> {
    [b"l", &id_key(to)[..]].concat()
}

pub(crate) fn idempotency_index_key(idempotency_key: &str) -> Vec<u8> {
    [b"o", idempotency_key.as_bytes()].concat()
}
