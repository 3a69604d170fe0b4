//! The position of an event.

use std::{fmt, str::FromStr};

use super::Invalid;

/// The position of an event in one history: `<milliseconds>-<sequence>`, strictly increasing.
///
/// # Examples
/// ```
/// use sse_broadcaster::EventId;
///
/// let id: EventId = "1732176000000-42".parse()?;
/// assert_eq!(id, EventId::new(1_732_176_000_000, 42));
/// assert!(id < EventId::new(1_732_176_000_001, 0));
/// assert!("01-1".parse::<EventId>().is_err());
/// # Ok::<_, sse_broadcaster::event::Invalid>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    ms: u64,
    seq: u64,
}

impl EventId {
    /// The position with these milliseconds since the Unix epoch and this sequence number.
    #[must_use]
    pub const fn new(ms: u64, seq: u64) -> Self {
        Self { ms, seq }
    }

    /// Milliseconds since the Unix epoch at which the id was given, or later where the clock went back;
    /// [`Stored::time_ms`](super::Stored::time_ms) is the event's time.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.ms
    }

    /// Which of the ids with the same milliseconds it is; the first need not be 0.
    #[must_use]
    pub const fn seq(self) -> u64 {
        self.seq
    }

    /// The greatest position before this one; no event has it but by chance.
    #[must_use]
    pub fn before(self) -> Self {
        match self.seq.checked_sub(1) {
            Some(seq) => Self { seq, ..self },
            None => Self::new(self.ms.saturating_sub(1), u64::MAX),
        }
    }

    /// Half-way, or the first where there is nothing between.
    #[must_use]
    pub fn between(one: Self, other: Self) -> Self {
        let number = |id: Self| (u128::from(id.ms) << 64) | u128::from(id.seq);
        let middle = number(one).midpoint(number(other));
        let part = |number: u128| u64::try_from(number & u128::from(u64::MAX)).unwrap_or(u64::MAX);
        Self::new(part(middle >> 64), part(middle))
    }

    /// Its greatest length as text.
    pub(crate) const MAX_CHARS: usize = 20 + 1 + 20;

    /// As text, in this buffer.
    pub(crate) fn write(self, buffer: &mut [u8; Self::MAX_CHARS]) -> &str {
        let (mut ms, mut seq) = (itoa::Buffer::new(), itoa::Buffer::new());
        let mut length = 0;
        for part in [ms.format(self.ms), "-", seq.format(self.seq)] {
            buffer[length..length + part.len()].copy_from_slice(part.as_bytes());
            length += part.len();
        }
        str::from_utf8(&buffer[..length]).unwrap_or_default()
    }

    pub(super) fn has_form(text: &str) -> bool {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        text.split_once('-')
            .is_some_and(|(ms, seq)| digits(ms) && digits(seq))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.write(&mut [0; Self::MAX_CHARS]))
    }
}

impl FromStr for EventId {
    type Err = Invalid;

    /// Takes the canonical form only: one text stands for one position.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || {
            Invalid::new(
                "invalid_position",
                "an event id has the form <milliseconds>-<sequence>",
            )
        };
        let (ms, seq) = text.split_once('-').ok_or_else(invalid)?;
        let id = Self {
            ms: ms.parse().map_err(|_| invalid())?,
            seq: seq.parse().map_err(|_| invalid())?,
        };
        if id.to_string() == text {
            Ok(id)
        } else {
            Err(invalid())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_reads_back_from_its_text_and_from_no_other() {
        let id = EventId::new(1_732_176_000_000, 42);
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in [
            "",
            "1",
            "1-",
            "-1",
            "01-1",
            "+1-1",
            "1-1-1",
            "1-99999999999999999999",
        ] {
            assert!(bad.parse::<EventId>().is_err(), "{bad}");
        }
    }
}
