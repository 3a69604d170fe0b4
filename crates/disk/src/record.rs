//! What is written in the engine: events under their ids (`record/block.rs`), ids under topics, idempotency keys,
//! retained values, and where the log stands. This file has the other values, `record/keys.rs` the keys.
//!
//! Numbers are big-endian, so that keys sort as what they stand for.

pub(super) mod block;
mod keys;

use bytes::Bytes;

use sse_broadcaster::event::{EventId, Fields};
use sse_broadcaster::internal::{Step, Steps};

pub(super) use keys::{
    Listed, REPAIR_KEY, STANDING_KEY, STEPS_KEY, TOPIC_KEYS_END, id_key, id_of, id_of_topic_key,
    idempotency_index_key, lost_key, topic_key, topic_keys_from, topic_of_key, topic_value,
};

/// What was read cannot have been written by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damaged;

/// What an idempotency key stands for.
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

    /// An older record than was written last may come to light behind damage: its event is gone.
    pub(super) fn as_of(self, standing: &Standing) -> Self {
        match self {
            Self::Held { id, .. } if id <= standing.floor => Self::Spent,
            own => own,
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
    /// When that event was taken.
    pub(super) floor_ms: u64,
    /// By [`Event::cost`].
    pub(super) bytes: u64,
    /// Own ids that are kept though their events are gone.
    pub(super) spent: u64,
    /// No more of these are kept, so nobody can say of a new one that it is.
    pub(super) spent_overflowed: bool,
    /// How many of the events were erased.
    pub(super) erased: u64,
}

impl Standing {
    /// How many events there are, without those that were erased.
    pub(super) fn events(&self) -> u64 {
        (self.head_number - self.floor_number).saturating_sub(self.erased)
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
            self.floor_ms,
        ];
        // Formats before 3 have no number of erased events.
        let erased = Some(self.erased).filter(|erased| *erased > 0);
        let numbers = numbers.into_iter().chain(erased);
        numbers.flat_map(u64::to_be_bytes).collect()
    }

    pub(super) fn decode(value: &[u8]) -> Result<Self, Damaged> {
        let mut reader = Reader(value);
        let mut standing = Self {
            epoch: reader.number()?,
            head: reader.id()?,
            head_number: reader.number()?,
            floor: reader.id()?,
            floor_number: reader.number()?,
            bytes: reader.number()?,
            spent: reader.number()?,
            spent_overflowed: reader.number()? == 1,
            floor_ms: 0,
            erased: 0,
        };
        // Format 1 has no time beside an id.
        standing.floor_ms = match reader.0 {
            [] => standing.floor.ms(),
            _ => reader.number()?,
        };
        if !reader.0.is_empty() {
            standing.erased = reader.number()?;
        }
        let in_order = standing.floor <= standing.head
            && standing.floor_number <= standing.head_number
            && reader.0.is_empty();
        in_order.then_some(standing).ok_or(Damaged)
    }
}

/// In a number that an event's time follows; format 1 has none, there it is that of the id.
const IS_TIMED: u64 = 1 << 63;

/// An event as it is kept.
pub(super) struct Kept<'a> {
    pub(super) number: u64,
    pub(super) time_ms: u64,
    pub(super) packed: &'a [u8],
    pub(super) fields: Fields<'a>,
}

pub(super) fn encode_steps(steps: &Steps) -> Vec<u8> {
    let numbers = steps.iter().flat_map(|step| [step.number, step.ms]);
    numbers.flat_map(u64::to_be_bytes).collect()
}

pub(super) fn decode_steps(value: &[u8]) -> Result<Steps, Damaged> {
    let (mut reader, mut steps) = (Reader(value), Vec::new());
    while !reader.0.is_empty() {
        let (number, ms) = (reader.number()?, reader.number()?);
        steps.push(Step { number, ms });
    }
    Ok(Steps::of(steps.into_iter()))
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

    fn length(&mut self) -> Result<usize, Damaged> {
        let bytes = self.take(4)?.try_into().map_err(|_| Damaged)?;
        Ok(u32::from_be_bytes(bytes) as usize)
    }

    fn number(&mut self) -> Result<u64, Damaged> {
        let bytes = self.take(8)?.try_into().map_err(|_| Damaged)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn id(&mut self) -> Result<EventId, Damaged> {
        Ok(EventId::new(self.number()?, self.number()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sse_broadcaster::event::Event;

    #[test]
    fn what_was_cut_short_is_damaged_and_no_panic() {
        assert_eq!(Standing::decode(&[0; 79]), Err(Damaged));
        assert!(decode_steps(&[0; 24]).is_err());
        assert_eq!(Own::decode(&[1]), Err(Damaged));
        assert_eq!(id_of_topic_key(b"t"), Err(Damaged));
    }

    #[test]
    fn records_of_older_formats_are_read() {
        let event = Event::builder("x").topic("a").build().unwrap();
        let mut old = 3u64.to_be_bytes().to_vec();
        event.pack(&mut old);
        let kept = block::events(EventId::new(9, 1), &old).unwrap().remove(0);
        assert_eq!((kept.number, kept.time_ms), (3, 9));
        let fields = Fields::checked(&old[kept.fields]).unwrap();
        assert_eq!(Event::unpack(&fields), event);
        let standing = Standing {
            epoch: 1,
            head: EventId::new(9, 1),
            head_number: 3,
            floor: EventId::new(4, 1),
            floor_number: 2,
            floor_ms: 2,
            bytes: 5,
            spent: 0,
            spent_overflowed: true,
            erased: 1,
        };
        let new = standing.encode();
        assert_eq!(Standing::decode(&new), Ok(standing));
        let of_format_2 = Standing {
            erased: 0,
            ..standing
        };
        assert_eq!(Standing::decode(&new[..88]), Ok(of_format_2));
        assert_eq!(of_format_2.encode(), new[..88]);
        let of_format_1 = Standing::decode(&new[..80]).unwrap();
        assert_eq!(of_format_1.floor_ms, 4);
    }

    #[test]
    fn steps_of_the_clock_read_back() {
        let steps = [Step { number: 1, ms: 5 }, Step { number: 9, ms: 6 }];
        let steps = Steps::of(steps.into_iter());
        assert_eq!(decode_steps(&encode_steps(&steps)), Ok(steps));
    }
}
