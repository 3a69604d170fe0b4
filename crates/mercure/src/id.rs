//! The ids of events that their publishers gave none.
//!
//! `urn:uuid:` and a UUID of version 7 that is a position, so that a client resumes from it without an index: 48 bits
//! of milliseconds, 64 bits of the sequence, 10 bits that are a checksum of both. Their order is that of positions.

use sse_broadcaster::EventId;

const PREFIX: &str = "urn:uuid:";
const VERSION: u128 = 7;
const VARIANT: u128 = 0b10;
const CHECK_BITS: u32 = 10;

/// The id of the event at this position.
pub(crate) fn encode(position: EventId) -> String {
    urn(bits(position))
}

/// The UUID of these bits as a URN.
pub(crate) fn urn(bits: u128) -> String {
    let group = |from: u32, digits: u32| (bits >> from) & ((1 << (4 * digits)) - 1);
    format!(
        "{PREFIX}{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        group(96, 8),
        group(80, 4),
        group(64, 4),
        group(48, 4),
        group(0, 12)
    )
}

/// The position of the event with this id; `None` for a text that is not one of these ids.
#[must_use]
pub fn decode(id: &str) -> Option<EventId> {
    let uuid = id.strip_prefix(PREFIX)?;
    let groups: Vec<_> = uuid.split('-').collect();
    let lengths: Vec<_> = groups.iter().map(|group| group.len()).collect();
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if lengths != [8, 4, 4, 4, 12] || !uuid.bytes().all(|byte| byte == b'-' || is_hex(byte)) {
        return None;
    }
    let bits_read = u128::from_str_radix(&groups.concat(), 16).ok()?;
    let high = (bits_read >> 64) & 0xfff;
    let low = (bits_read >> CHECK_BITS) & ((1 << 52) - 1);
    let ms = u64::try_from(bits_read >> 80).ok()?;
    let position = EventId::new(ms, u64::try_from((high << 52) | low).ok()?);
    (bits(position) == bits_read).then_some(position)
}

fn bits(position: EventId) -> u128 {
    let ms = u128::from(position.ms()) & ((1 << 48) - 1);
    let seq = u128::from(position.seq());
    (ms << 80)
        | (VERSION << 76)
        | ((seq >> 52) << 64)
        | (VARIANT << 62)
        | ((seq & ((1 << 52) - 1)) << CHECK_BITS)
        | u128::from(checksum(position))
}

/// So that a UUID of another origin is not taken for a position.
fn checksum(position: EventId) -> u64 {
    let mixed = position.ms().rotate_left(32) ^ position.seq();
    mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - CHECK_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_reads_back_from_its_uuid_and_the_order_is_the_same() {
        let positions = [
            EventId::new(0, 0),
            EventId::new(1_732_176_000_000, 1),
            EventId::new(1_732_176_000_000, 1 << 53),
            EventId::new(1_732_176_000_000, u64::MAX),
            EventId::new(1_732_176_000_001, 42),
            EventId::new((1 << 48) - 1, u64::MAX),
        ];
        let ids = positions.map(encode);
        assert!(ids.is_sorted());
        for (id, position) in ids.iter().zip(positions) {
            assert_eq!(decode(id), Some(position), "{id}");
            assert_eq!(&id[23..24], "7", "{id}");
            assert!(["8", "9", "a", "b"].contains(&&id[28..29]), "{id}");
        }
    }

    #[test]
    fn texts_that_are_not_such_ids_are_none() {
        let id = encode(EventId::new(1_732_176_000_000, 42));
        for text in [
            "",
            "urn:uuid:",
            &id[9..],
            &id.to_uppercase(),
            &format!("{id}0"),
            &id.replace('-', ""),
            "urn:uuid:0193478d-5c00-7000-8000-000000000000",
            "urn:uuid:8b3c1e2a-4f5d-4c6b-9a7e-1f2d3c4b5a69",
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
