//! `dcz` (RFC 9842): frames of zstd (RFC 8878) that refer to a dictionary which the browser has. A decoder begins a new
//! frame after the end of one.

use bytes::Bytes;
use sse_broadcaster::encoding::{CodingId, ContentCoding};
use zstd::{bulk::Compressor, zstd_safe::compress_bound};

use crate::{dictionary::Dictionary, pool::Pool, shared_blocks::SharedBlocks};

/// The first bytes of a body, before the hash of the dictionary.
const HEAD: [u8; 8] = [0x5E, 0x2A, 0x4D, 0x18, 0x20, 0, 0, 0];
/// Most text of one frame. Its window is as large, and browsers refuse one of more than 8 MiB.
const MAX_FRAME_TEXT: usize = 1 << 20;
/// Takes a tenth longer than level 3, for up to 6 % less of short events. Levels from 5 on take longer for no less; level 19
/// takes a hundred times as long, for up to a quarter less of long ones.
const LEVEL: i32 = 4;
const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// The header of a frame whose window is its text, with the length of that in one byte or in four.
const LENGTH_IN_ONE_BYTE: u8 = 0x20;
const LENGTH_IN_FOUR_BYTES: u8 = 0xA0;
/// Most bytes of a block.
const MAX_BLOCK: usize = 128 << 10;

/// Shared by all streams with this dictionary.
#[derive(Debug)]
pub(crate) struct Dcz {
    id: CodingId,
    dictionary: Dictionary,
    compressors: Pool<Compressor<'static>>,
    shared_blocks: SharedBlocks,
}

/// One that refers to this dictionary.
pub(crate) fn compressor(dictionary: &[u8]) -> Option<Compressor<'static>> {
    Compressor::with_dictionary(LEVEL, dictionary).ok()
}

impl Dcz {
    pub(crate) fn new(dictionary: Dictionary) -> Self {
        Self {
            id: CodingId::unique(),
            dictionary,
            compressors: Pool::new(),
            shared_blocks: SharedBlocks::default(),
        }
    }

    pub(crate) fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    /// Appends a frame. False, with something of it, if it is not shorter than the text, or the library fails.
    fn compress(&self, text: &[u8], out: &mut Vec<u8>) -> bool {
        let compressor = self.compressors.take();
        let new = || self::compressor(self.dictionary.bytes());
        let Some(mut compressor) = compressor.or_else(new) else {
            return false;
        };
        let begin = out.len();
        out.resize(begin + compress_bound(text.len()), 0);
        let written = compressor.compress_to_buffer(text, &mut out[begin..]);
        self.compressors.put_back(compressor);
        written.is_ok_and(|written| {
            out.truncate(begin + written);
            written < text.len()
        })
    }
}

impl ContentCoding for Dcz {
    fn id(&self) -> CodingId {
        self.id
    }

    fn name(&self) -> &'static str {
        "dcz"
    }

    fn opening(&self) -> Bytes {
        [&HEAD[..], self.dictionary.hash()].concat().into()
    }

    fn block(&self, text: &[u8], out: &mut Vec<u8>) {
        for part in text.chunks(MAX_FRAME_TEXT) {
            let begin = out.len();
            if !self.compress(part, out) {
                out.truncate(begin);
                store(part, out);
            }
        }
    }

    fn shared_block(&self, text: &[u8]) -> Bytes {
        self.shared_blocks.block(text, |out| self.block(text, out))
    }
}

/// Appends a frame of raw blocks (RFC 8878, section 3.1.1.2) for at most [`MAX_FRAME_TEXT`].
fn store(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&MAGIC);
    if let Ok(length) = u8::try_from(text.len()) {
        out.extend_from_slice(&[LENGTH_IN_ONE_BYTE, length]);
    } else {
        out.push(LENGTH_IN_FOUR_BYTES);
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_le_bytes());
    }
    let mut parts = text.chunks(MAX_BLOCK).peekable();
    while let Some(part) = parts.next() {
        let is_last = u32::from(parts.peek().is_none());
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&(length << 3 | is_last).to_le_bytes()[..3]);
        out.extend_from_slice(part);
    }
}
