//! When streams are compressed.

use clap::ValueEnum;
use sse_broadcaster_compression::{Compress, Compression};

/// When streams are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompressSetting {
    Auto,
    Always,
    Off,
}

impl CompressSetting {
    /// The codings of streams; `None` for none.
    pub(crate) fn codings(self) -> Option<Compression> {
        match self {
            Self::Auto => Some(Compression::new(Compress::Auto)),
            Self::Always => Some(Compression::new(Compress::Always)),
            Self::Off => None,
        }
    }
}
