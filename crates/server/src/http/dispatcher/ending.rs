//! Cuts a stream that the dispatcher serves.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::time::{Instant, Sleep, sleep};

use crate::http::connection::{
    async_socket::AsyncSocket,
    cut::{BROKEN_CHUNK, CHECK_INTERVAL, Reset},
    socket,
};

#[derive(Debug, Default)]
pub(super) struct Ending {
    reset: Option<PendingReset>,
    /// How many bytes of the broken chunk have been written.
    broken_chunk: usize,
}

/// A reset that waits until the peer has acknowledged everything.
#[derive(Debug)]
struct PendingReset {
    timer: Pin<Box<Sleep>>,
    reset: Reset,
}

impl Ending {
    /// Ready when the connection may be reset.
    pub(super) fn poll_reset(&mut self, io: &AsyncSocket, cx: &mut Context<'_>) -> Poll<()> {
        let pending = self.reset.get_or_insert_with(|| PendingReset {
            timer: Box::pin(sleep(CHECK_INTERVAL)),
            reset: Reset::begin(),
        });
        while !pending.reset.is_due(socket::unacknowledged(io)) {
            ready!(pending.timer.as_mut().poll(cx));
            pending
                .timer
                .as_mut()
                .reset(Instant::now() + CHECK_INTERVAL);
        }
        Poll::Ready(())
    }

    /// The rest of the broken chunk.
    pub(super) fn rest_of_chunk(&self) -> &'static [u8] {
        &BROKEN_CHUNK[self.broken_chunk..]
    }

    pub(super) fn has_written(&mut self, bytes: usize) {
        self.broken_chunk += bytes;
    }
}
