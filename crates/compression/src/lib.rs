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

mod decoders;
mod gzip;
mod pool;
mod shared_blocks;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use sse_broadcaster::encoding::ContentCoding;
use sse_broadcaster_http::{AcceptedCodings, ContentCodings};

pub use self::decoders::Decompression;
use self::gzip::Gzip;

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

/// The codings of streams.
#[derive(Debug)]
pub struct Compression {
    gzip: Arc<dyn ContentCoding>,
}

impl Compression {
    /// Begins without anything compressed.
    #[must_use]
    pub fn new(compress: Compress) -> Self {
        let min_bytes = match compress {
            Compress::Auto => MIN_BYTES,
            Compress::Always => MIN_BYTES_OF_ALWAYS,
        };
        Self {
            gzip: Arc::new(Gzip::new(min_bytes)),
        }
    }
}

impl ContentCodings for Compression {
    fn of_stream(&self, accepted: &AcceptedCodings) -> Option<Arc<dyn ContentCoding>> {
        let weight = accepted.weight("gzip").max(accepted.weight("x-gzip"));
        (weight > 0.0).then(|| Arc::clone(&self.gzip))
    }
}
