//! The trace that an event belongs to, as W3C Trace Context writes it.

use std::{fmt, str::FromStr};

/// Bytes of an encoded one: the id of the trace, that of the span, and the flags.
pub(super) const PACKED_BYTES: usize = 25;
/// Characters of version 00: `00-<32>-<16>-<2>`.
const TEXT_CHARS: usize = 55;
const SAMPLED: u8 = 1;
/// The flags that are defined; others are sent as zero.
const KNOWN_FLAGS: u8 = SAMPLED;

/// The value of the header `traceparent` of [W3C Trace Context](https://www.w3.org/TR/trace-context/), level 1: the
/// trace and the span that an event was published in.
///
/// ```
/// use sse_broadcaster::event::Traceparent;
///
/// let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let parent: Traceparent = text.parse()?;
/// assert!(parent.is_sampled());
/// assert_eq!(parent.to_string(), text);
/// # Ok::<_, sse_broadcaster::event::InvalidTraceparent>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Traceparent {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    flags: u8,
}

/// A text is no [`Traceparent`]. The standard requires to ignore it and to begin a new trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "traceparent is 00-<trace id: 32 hexadecimal digits>-<span id: 16>-<flags: 2>, in lower case, and no id is all zeros"
)]
pub struct InvalidTraceparent;

impl Traceparent {
    /// Of its parts; `None` for an id of zeros only.
    #[must_use]
    pub fn new(trace_id: [u8; 16], span_id: [u8; 8], is_sampled: bool) -> Option<Self> {
        let flags = if is_sampled { SAMPLED } else { 0 };
        Self::of_parts(trace_id, span_id, flags)
    }

    fn of_parts(trace_id: [u8; 16], span_id: [u8; 8], flags: u8) -> Option<Self> {
        let flags = flags & KNOWN_FLAGS;
        (trace_id != [0; 16] && span_id != [0; 8]).then_some(Self {
            trace_id,
            span_id,
            flags,
        })
    }

    /// The id of the trace.
    #[must_use]
    pub fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    /// The id of the span, which is the parent of what follows.
    #[must_use]
    pub fn span_id(&self) -> [u8; 8] {
        self.span_id
    }

    /// Whether the sender may have recorded the trace.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    pub(super) fn pack(&self) -> [u8; PACKED_BYTES] {
        let mut packed = [0; PACKED_BYTES];
        packed[..16].copy_from_slice(&self.trace_id);
        packed[16..24].copy_from_slice(&self.span_id);
        packed[24] = self.flags;
        packed
    }

    pub(super) fn unpack(packed: &[u8]) -> Option<Self> {
        let (trace_id, rest) = packed.split_first_chunk()?;
        let (span_id, rest) = rest.split_first_chunk()?;
        let [flags] = rest else { return None };
        Self::of_parts(*trace_id, *span_id, *flags)
    }
}

/// Reads version 00, and the same part of a later version.
impl FromStr for Traceparent {
    type Err = InvalidTraceparent;

    fn from_str(text: &str) -> Result<Self, InvalidTraceparent> {
        parse(text.as_bytes()).ok_or(InvalidTraceparent)
    }
}

fn parse(text: &[u8]) -> Option<Traceparent> {
    let (known, further) = text.split_at_checked(TEXT_CHARS)?;
    let [version] = hex(&known[..2])?;
    let is_whole = match version {
        0 => further.is_empty(),
        0xff => false,
        _ => further.is_empty() || further[0] == b'-',
    };
    let has_dashes = [2, 35, 52].iter().all(|at| known[*at] == b'-');
    if !is_whole || !has_dashes {
        return None;
    }
    let [flags] = hex(&known[53..])?;
    Traceparent::of_parts(hex(&known[3..35])?, hex(&known[36..52])?, flags)
}

/// The bytes of this many digits, twice as many as bytes.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (digit(pair[0])? << 4) | digit(pair[1])?;
    }
    Some(bytes)
}

fn digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// As version 00.
impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trace_id = u128::from_be_bytes(self.trace_id);
        let span_id = u64::from_be_bytes(self.span_id);
        write!(f, "00-{trace_id:032x}-{span_id:016x}-{:02x}", self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_by_the_rules_of_the_standard() {
        for (text, read) in [
            (TEXT.to_owned(), true),
            (TEXT.replace("-01", "-00"), true),
            // Further flags, and later versions with or without more.
            (TEXT.replace("-01", "-ff"), true),
            (TEXT.replacen("00", "cc", 1), true),
            (format!("{}-more", TEXT.replacen("00", "cc", 1)), true),
            (format!("{}more", TEXT.replacen("00", "cc", 1)), false),
            (TEXT.replacen("00", "ff", 1), false),
            (format!("{TEXT}-more"), false),
            (TEXT.to_uppercase(), false),
            (TEXT.replace('-', "_"), false),
            (TEXT.replace("4b", "4g"), false),
            (
                TEXT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
                false,
            ),
            (TEXT.replace("00f067aa0ba902b7", &"0".repeat(16)), false),
            (TEXT[..54].to_owned(), false),
            (String::new(), false),
            ("é".repeat(28), false),
        ] {
            assert_eq!(text.parse::<Traceparent>().is_ok(), read, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_version_00_with_the_known_flags() {
        let later = TEXT.replacen("00", "cc", 1).replace("-01", "-ff");
        let parent: Traceparent = later.parse().unwrap();
        assert_eq!(parent.to_string(), TEXT);
        assert_eq!(Traceparent::unpack(&parent.pack()), Some(parent));
        assert_eq!(Traceparent::unpack(&parent.pack()[1..]), None);
    }
}
