//! Content codings of streams.

use std::{
    fmt,
    sync::atomic::{AtomicU32, Ordering},
};

use bytes::Bytes;

/// A content coding (RFC 9110, section 8.4.1) of streams: compresses text in blocks, each of which refers to nothing
/// but itself. So a block that was made once may follow any other block, and all streams of the coding share it.
///
/// Concatenated, the [opening](Self::opening) and any blocks decode to the texts of the blocks, each of them as soon
/// as its last byte has arrived.
pub trait ContentCoding: fmt::Debug + Send + Sync {
    /// Identifies the coding: an id from [`CodingId::unique`], the same in each call.
    fn id(&self) -> CodingId;

    /// The value of `Content-Encoding`, for example `gzip`.
    fn name(&self) -> &'static str;

    /// What every body of this coding begins with.
    fn opening(&self) -> Bytes;

    /// Appends this text to `out` as one block; compressed only if that pays.
    fn block(&self, text: &[u8], out: &mut Vec<u8>);

    /// The text as a block, which may be shared with others that ask for the same text: notices, and the state that
    /// many streams begin with.
    fn shared_block(&self, text: &[u8]) -> Bytes {
        let mut out = Vec::new();
        self.block(text, &mut out);
        out.into()
    }
}

/// Tells one [`ContentCoding`] from all others in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CodingId(u32);

impl CodingId {
    /// An id that no other coding has. There are four thousand million of them.
    #[must_use]
    pub fn unique() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Not 0, which stands for text.
    pub(crate) fn get(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use parking_lot::Mutex;

    use super::*;

    /// Keeps the texts that it is to compress, and writes them in brackets.
    #[derive(Debug)]
    pub(crate) struct Recorder {
        id: CodingId,
        texts: Mutex<Vec<String>>,
    }

    impl Default for Recorder {
        fn default() -> Self {
            Self {
                id: CodingId::unique(),
                texts: Mutex::default(),
            }
        }
    }

    impl Recorder {
        pub(crate) fn take_texts(&self) -> Vec<String> {
            std::mem::take(&mut *self.texts.lock())
        }
    }

    impl ContentCoding for Recorder {
        fn id(&self) -> CodingId {
            self.id
        }

        fn name(&self) -> &'static str {
            "recorded"
        }

        fn opening(&self) -> Bytes {
            Bytes::new()
        }

        fn block(&self, text: &[u8], out: &mut Vec<u8>) {
            let text = String::from_utf8_lossy(text).into_owned();
            out.extend_from_slice(format!("[{text}]").as_bytes());
            self.texts.lock().push(text);
        }
    }
}
