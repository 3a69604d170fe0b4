//! Bytes that a client sends after the request of an open stream.

use std::io;

/// Most bytes that a client may send after the request of an open stream before it is cut.
const MAX_BYTES: usize = 64 << 10;

/// How many bytes were read and discarded.
#[derive(Debug, Default)]
pub(crate) struct Discarded(u32);

impl Discarded {
    /// `bytes` have been received already.
    pub(crate) fn of(bytes: usize) -> Self {
        Self(u32::try_from(bytes).unwrap_or(u32::MAX))
    }

    /// Fails once there are too many: such a client is not waiting for events.
    pub(crate) fn add(&mut self, bytes: usize) -> io::Result<()> {
        self.0 = self
            .0
            .saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if self.0 as usize > MAX_BYTES {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}
