//! The transfer coding `chunked`, decoded in place as it arrives.

/// Most digits of a length, leading zeros among them.
const MAX_DIGITS: u8 = 16;

/// The body is not `chunked`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotChunked;

/// Where in the body the decoder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chunked {
    Length {
        so_far: u64,
        digits: u8,
    },
    /// After a chunk's length, up to the end of the line.
    Extension {
        length: u64,
    },
    Data {
        left: u64,
    },
    /// The line end after a chunk's data.
    DataEnd,
    /// A line after the last chunk, and whether it is empty so far.
    Trailer {
        is_empty: bool,
    },
    Done,
}

impl Default for Chunked {
    fn default() -> Self {
        Self::Length {
            so_far: 0,
            digits: 0,
        }
    }
}

impl Chunked {
    /// Passes the data in `bytes` to `consume`, and returns how many bytes belong to this body.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        mut consume: impl FnMut(&[u8]),
    ) -> Result<usize, NotChunked> {
        let mut at = 0;
        while at < bytes.len() && *self != Self::Done {
            if let Self::Data { left } = self {
                let data = &bytes[at..];
                let most = usize::try_from(*left).unwrap_or(usize::MAX);
                let data = &data[..data.len().min(most)];
                consume(data);
                at += data.len();
                *left -= data.len() as u64;
                if *left == 0 {
                    *self = Self::DataEnd;
                }
            } else {
                *self = self.next(bytes[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    fn next(self, byte: u8) -> Result<Self, NotChunked> {
        Ok(match (self, byte) {
            (
                Self::Length {
                    digits: 1..,
                    so_far,
                },
                b'\n',
            ) => Self::begun(so_far),
            (
                Self::Length {
                    digits: 1..,
                    so_far,
                },
                b'\r' | b';' | b' ' | b'\t',
            ) => Self::Extension { length: so_far },
            (Self::Length { digits, so_far }, byte) if digits < MAX_DIGITS => {
                let digit = char::from(byte).to_digit(16).ok_or(NotChunked)?;
                Self::Length {
                    so_far: so_far << 4 | u64::from(digit),
                    digits: digits + 1,
                }
            }
            (Self::Extension { length }, b'\n') => Self::begun(length),
            (Self::DataEnd, b'\n') => Self::default(),
            (Self::Trailer { is_empty: true }, b'\n') => Self::Done,
            (Self::Trailer { .. }, b'\n') => Self::Trailer { is_empty: true },
            (Self::DataEnd | Self::Trailer { .. }, b'\r') | (Self::Extension { .. }, _) => self,
            (Self::Trailer { .. }, _) => Self::Trailer { is_empty: false },
            _ => return Err(NotChunked),
        })
    }

    fn begun(length: u64) -> Self {
        match length {
            0 => Self::Trailer { is_empty: true },
            left => Self::Data { left },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"5\r\nhello\r\n0006;x=\"y\"\r\n, worl\r\nA \r\nd and more\r\n1\n!\n0\r\nSum: 1\r\n\r\nnext";
    const DATA: &[u8] = b"hello, world and more!";

    fn decoded(pieces: &[&[u8]]) -> Result<(Vec<u8>, usize, Chunked), NotChunked> {
        let (mut chunked, mut data, mut read) = (Chunked::default(), Vec::new(), 0);
        for piece in pieces {
            read += chunked.feed(piece, |bytes| data.extend_from_slice(bytes))?;
        }
        Ok((data, read, chunked))
    }

    #[test]
    fn a_body_is_the_same_wherever_it_is_split() {
        let whole = BODY.len() - "next".len();
        for first in 0..=BODY.len() {
            for second in first..=BODY.len() {
                let pieces = [&BODY[..first], &BODY[first..second], &BODY[second..]];
                let expected = Ok((DATA.to_vec(), whole, Chunked::Done));
                assert_eq!(decoded(&pieces), expected, "{first} {second}");
            }
        }
    }

    #[test]
    fn a_body_that_is_not_chunked_is_rejected() {
        for bad in [
            "\r\n",
            "g\r\n",
            "-1\r\n",
            "1\r\nab",
            "00000000000000001\r\n",
            "data: x",
        ] {
            assert_eq!(decoded(&[bad.as_bytes()]), Err(NotChunked), "{bad:?}");
        }
    }
}
