//! Reads from a connection, and hands bytes over to the dispatcher.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead as _, ReadBuf};

use super::intake::Intake;
use crate::http::connection::{async_socket::AsyncSocket, discarded::Discarded, paths::Paths};
use sse_broadcaster_actix::internal::Link;

/// Most bytes that one poll of the dispatcher reads. It parses them before it is polled again, so that a stream
/// is open before much of what follows its request has been buffered.
const READ_PER_POLL: usize = 16 << 10;
/// Most bytes that are read after a request whose response has not been sent, to notice that the client disconnects.
const READ_AHEAD: usize = 4 << 10;
/// Most bytes that are read at once after the request of an open stream.
const DISCARD_AT_ONCE: usize = 4 << 10;

#[derive(Debug)]
pub(super) struct Input {
    /// Bytes that were read and have not been handed over.
    received: Bytes,
    pub(super) intake: Intake,
    read_in_poll: usize,
    discarded: Discarded,
}

impl Input {
    pub(super) fn new(received: Bytes, paths: Paths) -> Self {
        Self {
            received,
            intake: Intake::new(paths),
            read_in_poll: 0,
            discarded: Discarded::default(),
        }
    }

    pub(super) fn has_received(&self) -> bool {
        !self.received.is_empty()
    }

    /// Reads for the dispatcher.
    pub(super) fn poll_read(
        &mut self,
        io: &mut AsyncSocket,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<Read>> {
        if self.read_in_poll >= READ_PER_POLL {
            self.read_in_poll = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.has_received() {
            // If an invalid request follows, the dispatcher drops a response that was made before the runtime has
            // noticed room to write.
            ready!(io.poll_write_ready(cx))?;
            self.hand_over_received(buffer);
            return Poll::Ready(Ok(Read::Received));
        }
        match self.poll_admitted(io, cx, buffer) {
            Poll::Pending => {
                self.read_in_poll = 0;
                Poll::Ready(Ok(Read::Nothing))
            }
            // The dispatcher parses what was handed over before it notices the end.
            Poll::Ready(Ok(0)) if self.read_in_poll > 0 => {
                self.read_in_poll = 0;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Ok(read)) => {
                self.read_in_poll += read;
                Poll::Ready(Ok(Read::New))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }

    fn hand_over_received(&mut self, buffer: &mut ReadBuf<'_>) {
        let taken = self.received.len().min(buffer.remaining());
        let before = buffer.filled().len();
        buffer.put_slice(&self.received[..taken]);
        let taken = self.intake.admit(&mut buffer.filled_mut()[before..]);
        buffer.set_filled(before + taken);
        self.received = match self.received.slice(taken..) {
            // An empty slice would keep the whole buffer alive.
            rest if rest.is_empty() => Bytes::new(),
            rest => rest,
        };
        self.read_in_poll += taken;
    }

    /// Reads for the dispatcher, and keeps the bytes after those that it may have.
    fn poll_admitted(
        &mut self,
        io: &mut AsyncSocket,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let before = buffer.filled().len();
        ready!(Pin::new(io).poll_read(cx, buffer))?;
        let read = &mut buffer.filled_mut()[before..];
        let admitted = self.intake.admit(read);
        if admitted < read.len() {
            self.received = Bytes::copy_from_slice(&read[admitted..]);
            buffer.set_filled(before + admitted);
        }
        Poll::Ready(Ok(admitted))
    }

    /// Reads a little ahead while nothing may be handed over. `Ready(Ok)` if the client has closed its side.
    pub(super) fn poll_ahead(
        &mut self,
        io: &mut AsyncSocket,
        link: &Link,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let was_reading = std::mem::take(&mut self.read_in_poll) > 0;
        if !self.has_received() {
            let mut space = [MaybeUninit::uninit(); READ_AHEAD];
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(Pin::new(io).poll_read(cx, &mut buffer))?;
            self.received = Bytes::copy_from_slice(buffer.filled());
        }
        // The dispatcher parses what was handed over first.
        if was_reading || (self.intake.is_decoding() && self.has_received()) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        // If it noticed the end, the dispatcher would close the connection before the response, which polls again.
        if self.has_received() || link.is_committing() {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads and discards, to notice the end: `Ready(Ok)` if the client has closed its side.
    pub(super) fn poll_discard(
        &mut self,
        io: &mut AsyncSocket,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let received = std::mem::take(&mut self.received);
        self.discarded.add(received.len())?;
        let mut space = [MaybeUninit::uninit(); DISCARD_AT_ONCE];
        loop {
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut *io).poll_read(cx, &mut buffer))?;
            let read = buffer.filled().len();
            if read == 0 {
                return Poll::Ready(Ok(()));
            }
            self.discarded.add(read)?;
        }
    }
}

/// The result of a read for the dispatcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// There is nothing to read; a wake follows when there is.
    Nothing,
    /// Bytes that had been read earlier were handed over.
    Received,
    /// Bytes from the socket were handed over, or its end was reached.
    New,
}
