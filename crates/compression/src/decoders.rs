//! Decoders of request bodies.

use flate2::{Decompress, FlushDecompress, Status};
use sse_broadcaster_http::{BodyCodings, Decoder, Malformed};
use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

/// The window of deflate, and what its decoder has beside it.
const GZIP_MEMORY: usize = 48 << 10;
/// The largest window that a decoder of `zstd` has to accept (RFC 9659): 8 MiB.
const MAX_WINDOW_LOG: u32 = 23;
/// The size of the window of a gzip member, as the exponent of two.
const GZIP_WINDOW_BITS: u8 = 15;

/// The codings `gzip` and `zstd` of request bodies.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Decompression;

impl BodyCodings for Decompression {
    fn names(&self) -> &'static str {
        "gzip, zstd"
    }

    fn decoder(&self, name: &str) -> Option<Box<dyn Decoder>> {
        match name {
            "gzip" | "x-gzip" => Some(Box::new(Gunzip::new())),
            "zstd" => Some(Box::new(Unzstd::new()?)),
            _ => None,
        }
    }
}

/// Members of gzip, one behind the other.
struct Gunzip {
    decompress: Decompress,
    is_complete: bool,
}

impl Gunzip {
    fn new() -> Self {
        Self {
            decompress: Decompress::new_gzip(GZIP_WINDOW_BITS),
            is_complete: false,
        }
    }
}

impl Decoder for Gunzip {
    fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Malformed> {
        if self.is_complete {
            *self = Self::new();
        }
        let before = self.decompress.total_in();
        let flush = FlushDecompress::None;
        let decoded = self.decompress.decompress_vec(input, out, flush);
        self.is_complete = match decoded {
            Ok(Status::StreamEnd) => true,
            Ok(Status::Ok | Status::BufError) => false,
            Err(_) => return Err(Malformed),
        };
        // No more than the input had.
        Ok(usize::try_from(self.decompress.total_in() - before).unwrap_or(input.len()))
    }

    fn is_complete(&self) -> bool {
        self.is_complete
    }

    fn memory(&self) -> usize {
        GZIP_MEMORY
    }
}

/// Frames of zstd, one behind the other.
struct Unzstd {
    context: DCtx<'static>,
    is_complete: bool,
}

impl Unzstd {
    fn new() -> Option<Self> {
        let mut context = DCtx::try_create()?;
        context
            .set_parameter(DParameter::WindowLogMax(MAX_WINDOW_LOG))
            .ok()?;
        Some(Self {
            context,
            is_complete: false,
        })
    }
}

impl Decoder for Unzstd {
    fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Malformed> {
        let mut input = InBuffer::around(input);
        let mut out = OutBuffer::around(out);
        let left = self.context.decompress_stream(&mut out, &mut input);
        self.is_complete = left.map_err(|_| Malformed)? == 0;
        Ok(input.pos())
    }

    fn is_complete(&self) -> bool {
        self.is_complete
    }

    fn memory(&self) -> usize {
        self.context.sizeof()
    }
}
