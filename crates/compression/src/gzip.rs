//! `gzip` (RFC 1952): one member that never ends, of blocks (RFC 1951) that are independent of each other.
//!
//! A member for each event would be the plain way. But browsers, curl and others stop at the end of the first one.

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};
use sse_broadcaster::encoding::{CodingId, ContentCoding};

use crate::{LARGE_TEXT, pool::Pool, shared_blocks::SharedBlocks};

/// No name, no time, and an unknown system.
const HEADER: &[u8] = &[0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];
/// The first byte of a block that is stored and not the last.
const STORED: u8 = 0;
/// Most bytes of a stored block.
const MAX_STORED: usize = 0xFFFF;
/// What a stored block has beside its text.
const STORED_OVERHEAD: usize = 5;
/// What deflate has beside its text at most, and the text in codes of nine bits for eight.
const MOST_OVERHEAD: usize = 256;
/// An empty stored block, as a flush ends with. Without it Go's decoder holds a stored text back until its window is
/// full.
const FLUSH: &[u8] = &[STORED, 0, 0, 0xFF, 0xFF];
/// A sixth of a Datastar fragment's length. Level 9 takes a third longer for another hundredth.
const LEVEL: u32 = 6;
/// Replays are long, and have less time for each byte.
const LEVEL_OF_LARGE: u32 = 3;

/// Shared by all streams.
#[derive(Debug)]
pub(crate) struct Gzip {
    id: CodingId,
    /// Shorter texts are stored.
    min_bytes: usize,
    compressors: [Pool<Compress>; 2],
    shared_blocks: SharedBlocks,
}

impl Gzip {
    pub(crate) fn new(min_bytes: usize) -> Self {
        Self {
            id: CodingId::unique(),
            min_bytes,
            compressors: [Pool::new(), Pool::new()],
            shared_blocks: SharedBlocks::default(),
        }
    }

    /// Appends the text compressed. False, with something of it, if that is not possible or not shorter than the text.
    fn compress(&self, text: &[u8], out: &mut Vec<u8>) -> bool {
        let is_large = text.len() >= LARGE_TEXT;
        let pool = &self.compressors[usize::from(is_large)];
        let level = if is_large { LEVEL_OF_LARGE } else { LEVEL };
        let compressor = pool.take();
        let mut compressor =
            compressor.unwrap_or_else(|| Compress::new(Compression::new(level), false));
        compressor.reset();
        let begin = out.len();
        // More than deflate ever needs, so that it never has to go on.
        out.reserve(text.len() + text.len() / 8 + MOST_OVERHEAD);
        let room = out.capacity();
        let compressed = compressor.compress_vec(text, out, FlushCompress::Sync);
        let is_whole = matches!(compressed, Ok(Status::Ok))
            && compressor.total_in() == text.len() as u64
            && out.len() < room;
        pool.put_back(compressor);
        is_whole && out.len() - begin < text.len() + STORED_OVERHEAD + FLUSH.len()
    }
}

impl ContentCoding for Gzip {
    fn id(&self) -> CodingId {
        self.id
    }

    fn name(&self) -> &'static str {
        "gzip"
    }

    fn opening(&self) -> Bytes {
        Bytes::from_static(HEADER)
    }

    fn block(&self, text: &[u8], out: &mut Vec<u8>) {
        let begin = out.len();
        if text.len() >= self.min_bytes && self.compress(text, out) {
            return;
        }
        out.truncate(begin);
        store(text, out);
    }

    fn shared_block(&self, text: &[u8]) -> Bytes {
        self.shared_blocks.block(text, |out| self.block(text, out))
    }
}

/// Appends the text as it is (RFC 1951, section 3.2.4).
fn store(text: &[u8], out: &mut Vec<u8>) {
    for part in text.chunks(MAX_STORED) {
        // No longer than the type of the length.
        let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
        out.push(STORED);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(part);
    }
    out.extend_from_slice(FLUSH);
}
