//! Compressed streams for sse-broadcaster: each event is compressed at most once for each coding, whatever the number of
//! subscribers, and a stream keeps nothing but which coding it has.
//!
//! Others keep a window for each connection, of 32 KiB and more. Here each event is a block that refers to nothing but
//! itself, so that one block can follow any other.
//!
//! There is no `zstd`, which some clients ask for and read only the first frame of, and which takes as many bytes.
//!
//! ```
//! use std::sync::Arc;
//! use sse_broadcaster::{Broadcaster, Memory, Options, history::Retention};
//! use sse_broadcaster_compression::{Compress, Compression};
//! use sse_broadcaster_http::AppState;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
//! let state = AppState::new(&broadcaster).codings(Arc::new(Compression::new(Compress::Auto)));
//! # assert!(state.codings.is_some());
//! # Ok(())
//! # }
//! ```

#![deny(missing_docs)]

mod dcz;
mod decoders;
mod dictionary;
mod gzip;
mod pool;
mod shared_blocks;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use parking_lot::RwLock;
use sse_broadcaster::encoding::ContentCoding;
use sse_broadcaster_http::{AcceptedCodings, ContentCodings};

use self::{dcz::Dcz, gzip::Gzip};
pub use self::{
    decoders::Decompression,
    dictionary::{Dictionary, MAX_DICTIONARY_BYTES},
};

/// From this length on text is compressed at the lowest level.
const LARGE_TEXT: usize = 16 << 10;
/// Shorter texts save next to nothing.
const MIN_BYTES: usize = 200;
/// Shorter texts never become shorter.
const MIN_BYTES_OF_ALWAYS: usize = 32;

/// When streams are compressed, for clients that accept it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Compress {
    /// Texts of 200 bytes or more. Shorter ones travel as they are, in ten bytes more.
    #[default]
    Auto,
    /// Whatever becomes shorter by it.
    Always,
}

/// Most dictionaries that are offered: the newest, and earlier ones that browsers still have.
const MAX_DICTIONARIES: usize = 4;

/// The codings of streams: `dcz` for browsers that have a dictionary of these, and `gzip`.
#[derive(Debug)]
pub struct Compression {
    gzip: Arc<dyn ContentCoding>,
    /// Newest first.
    dictionaries: RwLock<Vec<Arc<Dcz>>>,
}

impl Compression {
    /// Begins without a dictionary.
    #[must_use]
    pub fn new(compress: Compress) -> Self {
        let min_bytes = match compress {
            Compress::Auto => MIN_BYTES,
            Compress::Always => MIN_BYTES_OF_ALWAYS,
        };
        Self {
            gzip: Arc::new(Gzip::new(min_bytes)),
            dictionaries: RwLock::default(),
        }
    }

    /// Offers this dictionary from now on, beside those before it. A stream keeps the one that it began with.
    pub fn offer(&self, dictionary: Dictionary) {
        let mut dictionaries = self.dictionaries.write();
        dictionaries.retain(|known| *known.dictionary() != dictionary);
        dictionaries.insert(0, Arc::new(Dcz::new(dictionary)));
        dictionaries.truncate(MAX_DICTIONARIES);
    }

    /// Offers none any more, for instance because what they were made of is to be forgotten.
    pub fn withdraw_dictionaries(&self) {
        self.dictionaries.write().clear();
    }

    /// The newest dictionary.
    #[must_use]
    pub fn dictionary(&self) -> Option<Dictionary> {
        let dictionaries = self.dictionaries.read();
        dictionaries
            .first()
            .map(|newest| newest.dictionary().clone())
    }

    /// The dictionary of this [name](Dictionary::name), as long as it is offered.
    #[must_use]
    pub fn dictionary_of(&self, name: &str) -> Option<Dictionary> {
        let dictionaries = self.dictionaries.read();
        let named = dictionaries.iter().map(|known| known.dictionary());
        named
            .into_iter()
            .find(|known| known.name() == name)
            .cloned()
    }
}

impl ContentCodings for Compression {
    fn of_stream(&self, accepted: &AcceptedCodings) -> Option<Arc<dyn ContentCoding>> {
        if let Some(hash) = accepted.dictionary()
            && accepted.weight("dcz") > 0.0
        {
            let dictionaries = self.dictionaries.read();
            let mut known = dictionaries.iter();
            if let Some(known) = known.find(|known| known.dictionary().hash() == hash) {
                return Some(Arc::clone(known) as Arc<dyn ContentCoding>);
            }
        }
        let weight = accepted.weight("gzip").max(accepted.weight("x-gzip"));
        (weight > 0.0).then(|| Arc::clone(&self.gzip))
    }
}
