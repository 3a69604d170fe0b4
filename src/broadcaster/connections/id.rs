//! The ids of connections.

use std::{fmt, num::ParseIntError, str::FromStr};

/// Names a connection of this process. No later connection has the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    pub(in crate::broadcaster) shard: u32,
    pub(in crate::broadcaster) index: u32,
    pub(in crate::broadcaster) serial: u32,
}

/// As text, which [`FromStr`] reads.
impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            shard,
            index,
            serial,
        } = self;
        write!(f, "{shard}-{index}-{serial}")
    }
}

/// The text is not the id of a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a connection")]
pub struct InvalidConnectionId;

impl From<ParseIntError> for InvalidConnectionId {
    fn from(_: ParseIntError) -> Self {
        Self
    }
}

impl FromStr for ConnectionId {
    type Err = InvalidConnectionId;

    fn from_str(text: &str) -> Result<Self, InvalidConnectionId> {
        let mut parts = text.split('-');
        let mut part = || parts.next().ok_or(InvalidConnectionId);
        let id = Self {
            shard: part()?.parse()?,
            index: part()?.parse()?,
            serial: part()?.parse()?,
        };
        // One id has one text.
        if id.to_string() == text {
            Ok(id)
        } else {
            Err(InvalidConnectionId)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_a_connection_is_read_back_and_has_one_text() {
        let id = ConnectionId {
            shard: 1,
            index: 17,
            serial: u32::MAX,
        };
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in [
            "",
            "1-2",
            "1-2-3-4",
            "1--3",
            "01-2-3",
            "+1-2-3",
            "1-2-4294967296",
        ] {
            assert!(text.parse::<ConnectionId>().is_err(), "{text}");
        }
    }
}
