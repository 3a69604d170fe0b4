//! Blocks of texts that come again and again: notices, and the state that many streams begin with.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;

/// Most blocks that are kept.
const MAX_BLOCKS: usize = 16;
/// Longest text whose block is kept. Longer ones are compressed for each stream.
const MAX_TEXT: usize = 64 << 10;

/// The blocks of the last texts.
#[derive(Debug, Default)]
pub(crate) struct SharedBlocks(Mutex<VecDeque<Kept>>);

#[derive(Debug)]
struct Kept {
    text: Box<[u8]>,
    block: Bytes,
}

impl SharedBlocks {
    /// The block of this text, which `compress` appends to its argument.
    pub(crate) fn block(&self, text: &[u8], compress: impl FnOnce(&mut Vec<u8>)) -> Bytes {
        if text.len() <= MAX_TEXT
            && let Some(block) = self.find(text)
        {
            return block;
        }
        let mut block = Vec::with_capacity(text.len() / 2);
        compress(&mut block);
        block.shrink_to_fit();
        let block = Bytes::from(block);
        if text.len() <= MAX_TEXT {
            self.keep(text.into(), block.clone());
        }
        block
    }

    fn find(&self, text: &[u8]) -> Option<Bytes> {
        let kept = self.0.lock();
        let found = kept.iter().find(|kept| *kept.text == *text);
        found.map(|kept| kept.block.clone())
    }

    fn keep(&self, text: Box<[u8]>, block: Bytes) {
        let mut kept = self.0.lock();
        if kept.len() >= MAX_BLOCKS {
            kept.pop_front();
        }
        kept.push_back(Kept { text, block });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_comes_again_is_compressed_once_and_only_so_many_are_kept() {
        let blocks = SharedBlocks::default();
        let mut compressed = 0;
        let mut block = |text: &str| {
            blocks.block(text.as_bytes(), |out| {
                compressed += 1;
                out.extend_from_slice(text.as_bytes());
            })
        };
        let first = block("ping");
        assert_eq!(block("ping").as_ptr(), first.as_ptr());
        for n in 0..MAX_BLOCKS {
            block(&n.to_string());
        }
        block("ping");
        assert_eq!(compressed, 1 + MAX_BLOCKS + 1);
    }
}
