//! Positions in history as clients are sent them.

use std::{fmt, str::FromStr};

use crate::event::EventId;

/// How the text of an encrypted position begins.
const PREFIX: &str = "p-";

/// Hides the ids of events from clients that may not read them: a position that is the id of such an event is
/// sent encrypted. A client resumes from an encrypted position as from another.
///
/// All nodes of one history, and all later processes on it, need the same key: a position that was encrypted by
/// another decrypts to an id that history does not have, and resuming from it is a gap.
pub trait PositionCipher: fmt::Debug + Send + Sync {
    /// The id, unreadable without the key. With another `salt` it is another text, so that nobody can tell whether two
    /// positions are the same; each stream has a salt of its own.
    fn encrypt(&self, id: EventId, salt: u32) -> [u8; 16];

    /// The id again, whatever the salt was.
    fn decrypt(&self, encrypted: [u8; 16]) -> EventId;
}

/// A position in history as a client is sent it: as an id, or encrypted where that is the id of an event that the
/// client may not read. A client may treat both as opaque texts, for example `1732176000000-42` and
/// `p-2b7e151628aed2a6abf7158809cf4f3c`.
///
/// ```
/// use sse_broadcaster::{EventId, sse::Position};
///
/// let id = Position::Id(EventId::new(5, 1));
/// assert_eq!(id.to_string(), "5-1");
/// let encrypted = Position::Encrypted([0x2b; 16]);
/// assert_eq!("p-2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b".parse(), Ok(encrypted));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Position {
    /// The id of the event before it.
    Id(EventId),
    /// By a [`PositionCipher`].
    Encrypted([u8; 16]),
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Encrypted(encrypted) => {
                write!(f, "{PREFIX}{:032x}", u128::from_be_bytes(*encrypted))
            }
        }
    }
}

/// A text that is no [`Position`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no position: write the id of an event, or p- and 32 hexadecimal digits in lower case")]
pub struct InvalidPosition;

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        if let Some(digits) = text.strip_prefix(PREFIX) {
            let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            if digits.len() != 32 || !digits.bytes().all(is_digit) {
                return Err(InvalidPosition);
            }
            let encrypted = u128::from_str_radix(digits, 16).map_err(|_| InvalidPosition)?;
            return Ok(Self::Encrypted(encrypted.to_be_bytes()));
        }
        text.parse().map(Self::Id).map_err(|_| InvalidPosition)
    }
}

impl From<EventId> for Position {
    fn from(id: EventId) -> Self {
        Self::Id(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_is_written_and_in_no_other_way() {
        for position in [
            Position::Id(EventId::new(5, 1)),
            Position::Encrypted([0; 16]),
            Position::Encrypted([255; 16]),
        ] {
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        for text in [
            "",
            "p-",
            "p-0",
            "p-+000000000000000000000000000002b",
            "5",
            "P-0000000000000000000000000000002b",
        ] {
            assert_eq!(text.parse::<Position>(), Err(InvalidPosition), "{text}");
        }
        let upper = "p-0000000000000000000000000000002B";
        assert_eq!(upper.parse::<Position>(), Err(InvalidPosition));
    }
}
