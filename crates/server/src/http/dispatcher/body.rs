//! The end of a request's body.

use super::line::Line;

/// What is still to come of a request's body.
#[derive(Debug)]
pub(super) enum Body {
    Length(u64),
    Chunked(Chunks),
}

impl Body {
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Length(left) => take_of(left, bytes),
            Self::Chunked(chunks) => chunks.take(bytes),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunks::Over))
    }
}

fn take_of(left: &mut u64, bytes: &[u8]) -> usize {
    let taken = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
    *left -= taken as u64;
    taken
}

/// Where the chunks of a body end (RFC 9112, section 7.1). The dispatcher checks
/// whether they are well-formed.
#[derive(Debug)]
pub(super) enum Chunks {
    Size { size: u64, has_ended: bool },
    Data { left: u64 },
    Trailer { line: Line },
    Over,
}

impl Default for Chunks {
    fn default() -> Self {
        Self::Size {
            size: 0,
            has_ended: false,
        }
    }
}

impl Chunks {
    /// How many of these are the body's.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while let rest @ [byte, ..] = &bytes[taken..] {
            taken += match self {
                Self::Data { left } => {
                    let data = take_of(left, rest);
                    if *left == 0 {
                        *self = Self::default();
                    }
                    data
                }
                Self::Over => return taken,
                Self::Size { .. } | Self::Trailer { .. } => {
                    self.pass(*byte);
                    1
                }
            };
        }
        taken
    }

    fn pass(&mut self, byte: u8) {
        match (&mut *self, byte) {
            (Self::Size { size: 0, .. }, b'\n') => {
                let line = Line::Nothing;
                *self = Self::Trailer { line };
            }
            // And the line's end behind the data.
            (Self::Size { size, .. }, b'\n') => {
                let left = size.saturating_add(2);
                *self = Self::Data { left };
            }
            (Self::Size { size, has_ended }, byte) => match char::from(byte).to_digit(16) {
                Some(digit) if !*has_ended => {
                    *size = size.saturating_mul(16).saturating_add(digit.into());
                }
                _ => *has_ended = true,
            },
            (Self::Trailer { line }, b'\n') if *line != Line::Text => *self = Self::Over,
            (Self::Trailer { line }, b'\n') => *line = Line::Nothing,
            (Self::Trailer { line }, byte) => *line = line.with(&[byte]),
            (Self::Data { .. } | Self::Over, _) => {}
        }
    }
}
