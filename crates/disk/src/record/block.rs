//! Several events that were committed together, as one value under the id of the last of them: the engine does its work
//! for each of its items, whatever their length.
//!
//! ```text
//! number of the first event u64, with the flags IS_TIMED and IS_BLOCK
//! each event: length of its fields u32, id u64 u64, time u64, fields
//! ```
//! An event alone is kept as it was before there were blocks.

use std::{collections::BTreeMap, ops::Range};

use super::{Damaged, IS_TIMED, Reader};
use sse_broadcaster::event::EventId;

/// In the number of the first event of a block.
const IS_BLOCK: u64 = 1 << 62;
const NUMBER_BYTES: usize = 8;
const LENGTH_BYTES: usize = 4;
/// A block that has come to this length, or would with the next event's data, takes no further event.
const FULL_BYTES: usize = 4 << 10;

/// Where an event lies in the value of its block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) id: EventId,
    pub(crate) number: u64,
    pub(crate) time_ms: u64,
    pub(crate) fields: Range<usize>,
}

/// The events of the value under this id, in order; at least one.
pub(crate) fn events(key: EventId, value: &[u8]) -> Result<Vec<Placed>, Damaged> {
    let mut reader = Reader(value);
    let flagged = reader.number()?;
    let number = flagged & !(IS_TIMED | IS_BLOCK);
    if flagged & IS_BLOCK == 0 {
        // Format 1 has no time beside an id.
        let time_ms = match flagged & IS_TIMED {
            0 => key.ms(),
            _ => reader.number()?,
        };
        return Ok(vec![Placed {
            id: key,
            number,
            time_ms,
            fields: value.len() - reader.0.len()..value.len(),
        }]);
    }
    let mut events: Vec<Placed> = Vec::new();
    while !reader.0.is_empty() {
        let length = reader.length()?;
        let (id, time_ms) = (reader.id()?, reader.number()?);
        let start = value.len() - reader.0.len();
        reader.take(length)?;
        if events.last().is_some_and(|before| before.id >= id) {
            return Err(Damaged);
        }
        events.push(Placed {
            id,
            number: number + events.len() as u64,
            time_ms,
            fields: start..start + length,
        });
    }
    let ends_with_key = events.last().is_some_and(|last| last.id == key);
    ends_with_key.then_some(events).ok_or(Damaged)
}

/// Puts events with consecutive numbers into one block.
#[derive(Default)]
pub(crate) struct Builder {
    value: Vec<u8>,
    first: u64,
    events: u64,
    last: Option<EventId>,
}

impl Builder {
    /// Whether an event of this number, with so many bytes of data, can come next.
    pub(crate) fn has_room(&self, number: u64, data_bytes: usize) -> bool {
        self.events == 0
            || (number == self.first + self.events && self.value.len() + data_bytes <= FULL_BYTES)
    }

    /// `pack` appends the fields of the event.
    pub(crate) fn push(
        &mut self,
        id: EventId,
        number: u64,
        time_ms: u64,
        pack: impl FnOnce(&mut Vec<u8>),
    ) {
        let value = &mut self.value;
        if self.events == 0 {
            self.first = number;
            let flagged = number | IS_TIMED | IS_BLOCK;
            value.extend_from_slice(&flagged.to_be_bytes());
        }
        let start = value.len();
        value.extend_from_slice(&[0; LENGTH_BYTES]);
        for part in [id.ms(), id.seq(), time_ms] {
            value.extend_from_slice(&part.to_be_bytes());
        }
        let fields = value.len();
        pack(value);
        let length = u32::try_from(value.len() - fields).unwrap_or(u32::MAX);
        value[start..start + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
        self.events += 1;
        self.last = Some(id);
    }

    /// Takes the block out, with the id under which it is kept.
    pub(crate) fn finish(&mut self) -> Option<(EventId, Vec<u8>)> {
        let Self {
            mut value,
            first,
            events,
            last,
        } = std::mem::take(self);
        if events == 1 {
            // Of an event alone, only its number, its time and its fields are kept.
            let time = NUMBER_BYTES + LENGTH_BYTES + 2 * NUMBER_BYTES;
            value.drain(NUMBER_BYTES..time);
            value[..NUMBER_BYTES].copy_from_slice(&(first | IS_TIMED).to_be_bytes());
        }
        Some((last?, value))
    }
}

/// The same block with other fields of some of its events.
pub(crate) fn replace(
    value: &[u8],
    events: &[Placed],
    fields: &BTreeMap<EventId, Vec<u8>>,
) -> Vec<u8> {
    let mut builder = Builder::default();
    for event in events {
        let kept = &value[event.fields.clone()];
        let fields = fields.get(&event.id).map_or(kept, Vec::as_slice);
        builder.push(event.id, event.number, event.time_ms, |out| {
            out.extend_from_slice(fields);
        });
    }
    builder.finish().map(|(_, value)| value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> EventId {
        EventId::new(n, 1)
    }

    /// Of another length for each number.
    fn text(number: u64) -> Vec<u8> {
        (0..number).map(|_| b'x').collect()
    }

    fn block(numbers: std::ops::Range<u64>) -> (EventId, Vec<u8>) {
        let mut builder = Builder::default();
        for number in numbers {
            builder.push(id(number), number, 10 * number, |out| {
                out.extend(text(number));
            });
        }
        builder.finish().unwrap()
    }

    #[test]
    fn events_of_a_block_read_back_with_consecutive_numbers() {
        let (key, value) = block(3..6);
        let found = events(key, &value).unwrap();
        assert_eq!(key, id(5));
        for (event, number) in found.iter().zip(3..6) {
            assert_eq!((event.id, event.number), (id(number), number));
            assert_eq!(event.time_ms, 10 * number);
            assert_eq!(value[event.fields.clone()], text(number));
        }
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn an_event_alone_is_kept_as_before_there_were_blocks() {
        let (key, value) = block(3..4);
        let before = [
            &(3 | IS_TIMED).to_be_bytes()[..],
            &30u64.to_be_bytes(),
            b"xxx",
        ];
        assert_eq!(value, before.concat());
        assert_eq!(events(key, &value).unwrap()[0].number, 3);
    }

    #[test]
    fn a_block_that_was_cut_short_or_has_another_key_is_damaged() {
        let (key, value) = block(3..6);
        for end in 0..value.len() {
            assert_eq!(events(key, &value[..end]), Err(Damaged), "{end}");
        }
        assert_eq!(events(id(4), &value), Err(Damaged));
    }

    #[test]
    fn a_replaced_event_keeps_its_place() {
        let (key, value) = block(3..6);
        let before = events(key, &value).unwrap();
        let replaced = replace(
            &value,
            &before,
            &BTreeMap::from([(id(4), b"left".to_vec())]),
        );
        let found = events(key, &replaced).unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!((found[1].id, found[1].number), (id(4), 4));
        assert_eq!(&replaced[found[1].fields.clone()], b"left");
        assert_eq!(&replaced[found[2].fields.clone()], b"xxxxx");
    }
}
