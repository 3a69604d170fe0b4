//! Finds the end of a request's body.

use super::line::Line;

/// The rest of a request's body.
#[derive(Debug)]
pub(super) enum Body {
    Length(u64),
    Chunked(Chunks),
}

impl Body {
    pub(super) fn consume(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Length(left) => consume_up_to(left, bytes),
            Self::Chunked(chunks) => chunks.consume(bytes),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunks::Over))
    }
}

fn consume_up_to(left: &mut u64, bytes: &[u8]) -> usize {
    let consumed = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
    *left -= consumed as u64;
    consumed
}

/// The position in the chunks of a body (RFC 9112, section 7.1). The dispatcher checks whether they are well-formed.
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
    /// How many of these bytes belong to the body.
    fn consume(&mut self, bytes: &[u8]) -> usize {
        let mut consumed = 0;
        while let rest @ [byte, ..] = &bytes[consumed..] {
            consumed += match self {
                Self::Data { left } => {
                    let data = consume_up_to(left, rest);
                    if *left == 0 {
                        *self = Self::default();
                    }
                    data
                }
                Self::Over => return consumed,
                Self::Size { .. } | Self::Trailer { .. } => {
                    self.advance(*byte);
                    1
                }
            };
        }
        consumed
    }

    fn advance(&mut self, byte: u8) {
        match (&mut *self, byte) {
            (Self::Size { size: 0, .. }, b'\n') => {
                let line = Line::Nothing;
                *self = Self::Trailer { line };
            }
            // With the line end after the data.
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
