//! The mark in the data of each published event, by which subscribers know it again, whatever stands
//! around it and wherever the stream was split: `Bench-<run>-<lane>-<sequence>-<time>`.

use std::io::Write as _;

use memchr::{memmem, memrchr};

/// Occurs nowhere else in a mark, so that a search that failed need not look back.
const FIRST: u8 = b'B';
const PREFIX: usize = "Bench-".len() + 12 + 1;
const LANE_END: usize = PREFIX + 4;
const SEQUENCE: usize = LANE_END + 1;
const SEQUENCE_END: usize = SEQUENCE + 8;
const TIME: usize = SEQUENCE_END + 1;
const TIME_DIGITS: usize = 12;
pub(super) const LENGTH: usize = TIME + TIME_DIGITS;
const _: () = assert!(LENGTH == 45, "the text of --size says so");

/// The lane of events that only show whether the streams are alive.
pub(super) const WARM_UP: u16 = u16::MAX;

/// What one event says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// The publishing connection; each sends its next event once its last one was answered.
    pub(super) lane: u16,
    /// Of the lane, from 1.
    pub(super) sequence: u32,
    /// Nanoseconds since the run began.
    pub(super) time: u64,
}

/// What is common to all marks of one run.
#[derive(Debug, Clone)]
pub(super) struct RunId {
    prefix: [u8; PREFIX],
    search: memmem::Finder<'static>,
}

impl RunId {
    pub(super) fn new(id: u64) -> Self {
        let mut prefix = [0; PREFIX];
        let text = format!("Bench-{:012x}-", id & 0xffff_ffff_ffff);
        prefix.copy_from_slice(text.as_bytes());
        Self {
            prefix,
            search: memmem::Finder::new(&prefix).into_owned(),
        }
    }

    pub(super) fn write(&self, mark: Mark, mut into: &mut [u8]) {
        let Mark {
            lane,
            sequence,
            time,
        } = mark;
        let written = into.write_all(&self.prefix);
        let written = written.and_then(|()| write!(into, "{lane:04x}-{sequence:08x}-{time:012x}"));
        debug_assert!(written.is_ok(), "there is room for a mark");
    }

    /// The longest end of `bytes` that a prefix may begin with.
    fn begun_at_the_end(&self, bytes: &[u8]) -> usize {
        let tail = &bytes[bytes.len().saturating_sub(PREFIX - 1)..];
        let begun = memrchr(FIRST, tail).map_or(&[][..], |at| &tail[at..]);
        if self.prefix.starts_with(begun) {
            begun.len()
        } else {
            0
        }
    }
}

/// Finds marks in pieces of a stream; keeps what the pieces before held of one.
#[derive(Debug, Default)]
pub(super) struct Finder {
    found: usize,
    lane: u16,
    sequence: u32,
    time: u64,
}

impl Finder {
    pub(super) fn feed(&mut self, run: &RunId, mut bytes: &[u8], mut take: impl FnMut(Mark)) {
        loop {
            if self.found == 0 {
                let Some(at) = run.search.find(bytes) else {
                    self.found = run.begun_at_the_end(bytes);
                    return;
                };
                bytes = &bytes[at + PREFIX..];
                if let Some((mark, rest)) = whole(bytes) {
                    take(mark);
                    bytes = rest;
                    continue;
                }
                self.found = PREFIX;
            }
            bytes = self.go_on(run, bytes);
            if self.found == LENGTH {
                take(Mark {
                    lane: self.lane,
                    sequence: self.sequence,
                    time: self.time,
                });
                self.found = 0;
            } else if bytes.is_empty() {
                return;
            }
        }
    }

    /// Takes what continues the mark, and returns what follows.
    fn go_on<'a>(&mut self, run: &RunId, bytes: &'a [u8]) -> &'a [u8] {
        for (at, byte) in bytes.iter().enumerate() {
            if self.found == LENGTH {
                return &bytes[at..];
            }
            if !self.accepts(run, *byte) {
                self.found = 0;
                return &bytes[at..];
            }
            self.found += 1;
        }
        &[]
    }

    fn accepts(&mut self, run: &RunId, byte: u8) -> bool {
        match self.found {
            ..PREFIX => return run.prefix[self.found] == byte,
            LANE_END | SEQUENCE_END => return byte == b'-',
            // The digits of the others push out those of the mark before.
            TIME => self.time = 0,
            _ => {}
        }
        let Some(digit) = digit(byte) else {
            return false;
        };
        if self.found < LANE_END {
            self.lane = self.lane << 4 | u16::from(digit);
        } else if self.found < SEQUENCE_END {
            self.sequence = self.sequence << 4 | u32::from(digit);
        } else {
            self.time = self.time << 4 | u64::from(digit);
        }
        true
    }
}

/// Reads what follows a prefix, if nothing of it is missing: almost always, and faster.
fn whole(bytes: &[u8]) -> Option<(Mark, &[u8])> {
    let (fields, rest) = bytes.split_first_chunk::<{ LENGTH - PREFIX }>()?;
    let lane = number(&fields[..LANE_END - PREFIX])?;
    let sequence = number(&fields[SEQUENCE - PREFIX..SEQUENCE_END - PREFIX])?;
    let mark = Mark {
        lane: u16::try_from(lane).ok()?,
        sequence: u32::try_from(sequence).ok()?,
        time: number(&fields[TIME - PREFIX..])?,
    };
    let has_dashes = [LANE_END, SEQUENCE_END]
        .iter()
        .all(|at| fields[at - PREFIX] == b'-');
    has_dashes.then_some((mark, rest))
}

/// What each byte says as a digit: bit 4 is set where it is none, so that one look at the end is
/// enough for all.
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

    const MARKS: [Mark; 3] = [
        Mark {
            lane: 0,
            sequence: 1,
            time: 0,
        },
        Mark {
            lane: 0xfe,
            sequence: 0xffff_fffe,
            time: 0xabcd_ef01_2345,
        },
        Mark {
            lane: WARM_UP,
            sequence: 7,
            time: 1_000,
        },
    ];

    fn text(run: &RunId, mark: Mark) -> Vec<u8> {
        let mut text = vec![0; LENGTH];
        run.write(mark, &mut text);
        text
    }

    fn found(run: &RunId, pieces: &[&[u8]]) -> Vec<Mark> {
        let (mut finder, mut marks) = (Finder::default(), Vec::new());
        for piece in pieces {
            finder.feed(run, piece, |mark| marks.push(mark));
        }
        marks
    }

    /// Marks among things that look like the beginning of one.
    fn stream(run: &RunId) -> Vec<u8> {
        let [one, two, three] = MARKS.map(|mark| text(run, mark));
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
    fn marks_are_found_wherever_the_stream_is_split() {
        let run = RunId::new(0x1234_5678_9abc);
        let stream = stream(&run);
        assert_eq!(found(&run, &[&stream]), MARKS);
        for first in 0..=stream.len() {
            let (one, rest) = stream.split_at(first);
            assert_eq!(found(&run, &[one, rest]), MARKS, "split at {first}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(found(&run, &bytes), MARKS);
    }

    #[test]
    fn the_marks_of_another_run_are_passed_over() {
        let (ours, other) = (RunId::new(1), RunId::new(2));
        assert_eq!(found(&ours, &[&stream(&other)]), []);
    }
}
