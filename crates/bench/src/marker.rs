//! The marker in the data of each published event. Subscribers find it whatever surrounds it, and wherever
//! the stream is split: `Bench-<run>-<publisher>-<sequence>-<time>`.

use std::io::Write as _;

use memchr::{memmem, memrchr};

/// Occurs only at the start of a marker, so that a failed search need not go back.
const FIRST: u8 = b'B';
const PREFIX: usize = "Bench-".len() + 12 + 1;
const PUBLISHER_END: usize = PREFIX + 4;
const SEQUENCE: usize = PUBLISHER_END + 1;
const SEQUENCE_END: usize = SEQUENCE + 8;
const TIME: usize = SEQUENCE_END + 1;
const TIME_DIGITS: usize = 12;
pub(crate) const LENGTH: usize = TIME + TIME_DIGITS;
const _: () = assert!(LENGTH == 45, "the help of --size states the length");

/// The publisher of events that only show whether the streams deliver.
pub(crate) const WARM_UP: u16 = u16::MAX;

/// What the marker of one event holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marker {
    /// The number of the publishing connection, which sends one event after the other.
    pub(crate) publisher: u16,
    /// The number of the event among those of its publisher, from 1.
    pub(crate) sequence: u32,
    /// Nanoseconds since the run began.
    pub(crate) time: u64,
}

/// What all markers of one run have in common.
#[derive(Debug, Clone)]
pub(crate) struct RunId {
    prefix: [u8; PREFIX],
    search: memmem::Finder<'static>,
}

impl RunId {
    pub(crate) fn new(id: u64) -> Self {
        let mut prefix = [0; PREFIX];
        let text = format!("Bench-{:012x}-", id & 0xffff_ffff_ffff);
        prefix.copy_from_slice(text.as_bytes());
        Self {
            prefix,
            search: memmem::Finder::new(&prefix).into_owned(),
        }
    }

    pub(crate) fn write(&self, marker: Marker, mut into: &mut [u8]) {
        let Marker {
            publisher,
            sequence,
            time,
        } = marker;
        let written = into.write_all(&self.prefix);
        let written =
            written.and_then(|()| write!(into, "{publisher:04x}-{sequence:08x}-{time:012x}"));
        debug_assert!(written.is_ok(), "there is room for a marker");
    }

    /// The length of the longest end of `bytes` that may be the start of a prefix.
    fn partial_prefix_at_end(&self, bytes: &[u8]) -> usize {
        let tail = &bytes[bytes.len().saturating_sub(PREFIX - 1)..];
        let begun = memrchr(FIRST, tail).map_or(&[][..], |at| &tail[at..]);
        if self.prefix.starts_with(begun) {
            begun.len()
        } else {
            0
        }
    }
}

/// Finds markers in a stream that comes in pieces, also where a marker is split.
#[derive(Debug, Default)]
pub(crate) struct MarkerFinder {
    /// How many bytes of a marker the pieces so far ended with.
    matched: usize,
    publisher: u16,
    sequence: u32,
    time: u64,
}

impl MarkerFinder {
    pub(crate) fn feed(&mut self, run: &RunId, mut bytes: &[u8], mut found: impl FnMut(Marker)) {
        loop {
            if self.matched == 0 {
                let Some(at) = run.search.find(bytes) else {
                    self.matched = run.partial_prefix_at_end(bytes);
                    return;
                };
                bytes = &bytes[at + PREFIX..];
                if let Some((marker, rest)) = read_fields(bytes) {
                    found(marker);
                    bytes = rest;
                    continue;
                }
                self.matched = PREFIX;
            }
            bytes = self.continue_with(run, bytes);
            if self.matched == LENGTH {
                found(Marker {
                    publisher: self.publisher,
                    sequence: self.sequence,
                    time: self.time,
                });
                self.matched = 0;
            } else if bytes.is_empty() {
                return;
            }
        }
    }

    /// Consumes the bytes that continue the marker, and returns the rest.
    fn continue_with<'a>(&mut self, run: &RunId, bytes: &'a [u8]) -> &'a [u8] {
        for (at, byte) in bytes.iter().enumerate() {
            if self.matched == LENGTH {
                return &bytes[at..];
            }
            if !self.accepts(run, *byte) {
                self.matched = 0;
                return &bytes[at..];
            }
            self.matched += 1;
        }
        &[]
    }

    fn accepts(&mut self, run: &RunId, byte: u8) -> bool {
        match self.matched {
            ..PREFIX => return run.prefix[self.matched] == byte,
            PUBLISHER_END | SEQUENCE_END => return byte == b'-',
            // The other fields have no more digits than their types, so that old digits are shifted out.
            TIME => self.time = 0,
            _ => {}
        }
        let Some(digit) = digit(byte) else {
            return false;
        };
        if self.matched < PUBLISHER_END {
            self.publisher = self.publisher << 4 | u16::from(digit);
        } else if self.matched < SEQUENCE_END {
            self.sequence = self.sequence << 4 | u32::from(digit);
        } else {
            self.time = self.time << 4 | u64::from(digit);
        }
        true
    }
}

/// Reads the fields after a prefix where all of them are in `bytes`, which is the fast and the common case.
fn read_fields(bytes: &[u8]) -> Option<(Marker, &[u8])> {
    let (fields, rest) = bytes.split_first_chunk::<{ LENGTH - PREFIX }>()?;
    let publisher = number(&fields[..PUBLISHER_END - PREFIX])?;
    let sequence = number(&fields[SEQUENCE - PREFIX..SEQUENCE_END - PREFIX])?;
    let marker = Marker {
        publisher: u16::try_from(publisher).ok()?,
        sequence: u32::try_from(sequence).ok()?,
        time: number(&fields[TIME - PREFIX..])?,
    };
    let has_dashes = [PUBLISHER_END, SEQUENCE_END]
        .iter()
        .all(|at| fields[at - PREFIX] == b'-');
    has_dashes.then_some((marker, rest))
}

/// The value of each byte as a hexadecimal digit. Bit 4 is set where it is none, so that one check after the
/// last digit is enough.
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < 16 {
        digits[b"0123456789abcdef"[digit as usize] as usize] = digit;
        digit += 1;
    }
    digits
};
const NO_DIGIT: u8 = 1 << 4;

fn number(digits: &[u8]) -> Option<u64> {
    let (mut number, mut all) = (0, 0);
    for byte in digits {
        let digit = DIGITS[usize::from(*byte)];
        all |= digit;
        number = number << 4 | u64::from(digit & !NO_DIGIT);
    }
    (all & NO_DIGIT == 0).then_some(number)
}

fn digit(byte: u8) -> Option<u8> {
    let digit = DIGITS[usize::from(byte)];
    (digit != NO_DIGIT).then_some(digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKERS: [Marker; 3] = [
        Marker {
            publisher: 0,
            sequence: 1,
            time: 0,
        },
        Marker {
            publisher: 0xfe,
            sequence: 0xffff_fffe,
            time: 0xabcd_ef01_2345,
        },
        Marker {
            publisher: WARM_UP,
            sequence: 7,
            time: 1_000,
        },
    ];

    fn text(run: &RunId, marker: Marker) -> Vec<u8> {
        let mut text = vec![0; LENGTH];
        run.write(marker, &mut text);
        text
    }

    fn found(run: &RunId, pieces: &[&[u8]]) -> Vec<Marker> {
        let (mut finder, mut markers) = (MarkerFinder::default(), Vec::new());
        for piece in pieces {
            finder.feed(run, piece, |marker| markers.push(marker));
        }
        markers
    }

    /// Markers among bytes that look like the start of one.
    fn stream(run: &RunId) -> Vec<u8> {
        let [one, two, three] = MARKERS.map(|marker| text(run, marker));
        let cut = &one[..30];
        let wrong_digit = [&one[..LENGTH - 1], b"X"].concat();
        let parts: [&[u8]; 9] = [
            b"id: 1\ndata: BBench-",
            &one,
            &two,
            b"\n\nBe",
            cut,
            &wrong_digit,
            b"BenchB",
            &three,
            b"B",
        ];
        parts.concat()
    }

    #[test]
    fn markers_are_found_wherever_the_stream_is_split() {
        let run = RunId::new(0x1234_5678_9abc);
        let stream = stream(&run);
        assert_eq!(found(&run, &[&stream]), MARKERS);
        for first in 0..=stream.len() {
            let (one, rest) = stream.split_at(first);
            assert_eq!(found(&run, &[one, rest]), MARKERS, "split at {first}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(found(&run, &bytes), MARKERS);
    }

    #[test]
    fn the_markers_of_another_run_are_ignored() {
        let (ours, other) = (RunId::new(1), RunId::new(2));
        assert_eq!(found(&ours, &[&stream(&other)]), []);
    }
}
