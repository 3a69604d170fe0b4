//! A system without `io_uring`.

use std::{convert::Infallible, io, os::fd::BorrowedFd};

use bytes::Bytes;

pub(super) const MAX_BATCH: usize = 1;

pub(super) struct Send(io::ErrorKind);

impl Send {
    pub(super) fn new(_: BorrowedFd<'_>, _: Bytes) -> Self {
        Self(io::ErrorKind::Unsupported)
    }

    pub(super) fn sent(self) -> io::Result<usize> {
        Err(self.0.into())
    }
}

/// There is none.
pub(super) struct SendRing(Infallible);

impl SendRing {
    pub(super) fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn send_all(&mut self, _: &mut Vec<Send>) -> io::Result<()> {
        match self.0 {}
    }
}
