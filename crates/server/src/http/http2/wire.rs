//! The IO under the crate h2. What has to be known of it is shared with the task of the connection, since h2 does not
//! hand it out.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{frames::Frames, limits::READ_PER_POLL};
use crate::http::{connection::async_socket::AsyncSocket, direct::stall_watch::StallWatch};

/// The IO of a connection.
pub(super) struct Wire(Rc<RefCell<State>>);

/// The same for the task of the connection, and for the bodies of its requests.
#[derive(Clone)]
pub(super) struct WireWatch(Rc<RefCell<State>>);

struct State {
    io: AsyncSocket,
    /// What was read before.
    received: Bytes,
    /// How much may still be read in this poll.
    readable: usize,
    frames: Frames,
    is_full: bool,
    stall: StallWatch,
    last_read: Instant,
    has_timed_out: bool,
    end: End,
}

/// Whether the client has ended its side of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// h2 reads it, and then drops all requests.
    Passed,
    /// h2 is not to read it yet.
    Withheld,
    /// It has come, and h2 has not read it.
    Reached {
        /// Whether the connection's task knows.
        is_noticed: bool,
    },
}

impl End {
    fn is_reached(self) -> bool {
        matches!(self, Self::Reached { .. })
    }
}

impl Wire {
    /// `received` has been read already.
    pub(super) fn new(io: AsyncSocket, received: Bytes, max_streams: u32) -> (Self, WireWatch) {
        let state = Rc::new(RefCell::new(State {
            io,
            received,
            readable: READ_PER_POLL,
            frames: Frames::new(max_streams),
            is_full: false,
            stall: StallWatch::default(),
            last_read: Instant::now(),
            has_timed_out: false,
            end: End::Passed,
        }));
        (Self(Rc::clone(&state)), WireWatch(state))
    }
}

impl WireWatch {
    /// Allows the next poll to read, unless requests that have arrived wait for their turn.
    pub(super) fn begin_poll(&self, leaves_requests: bool) {
        self.0.borrow_mut().readable = if leaves_requests { 0 } else { READ_PER_POLL };
    }

    /// Whether the poll may have left something unread, so that another must follow.
    pub(super) fn has_more(&self) -> bool {
        self.0.borrow().readable == 0
    }

    /// Whether a write waits for room in the socket.
    pub(super) fn is_full(&self) -> bool {
        self.0.borrow().is_full
    }

    /// Withholds the end of what the client sends from h2.
    pub(super) fn withhold_end(&self) {
        self.0.borrow_mut().end = End::Withheld;
    }

    /// Has h2 read the end at its next poll.
    pub(super) fn pass_end(&self) {
        self.0.borrow_mut().end = End::Passed;
    }

    /// Whether the client has sent everything, and h2 has read it but for the end.
    pub(super) fn has_ended(&self) -> bool {
        self.0.borrow().end.is_reached()
    }

    /// The same, once.
    pub(super) fn notices_end(&self) -> bool {
        let end = &mut self.0.borrow_mut().end;
        match end {
            End::Reached { is_noticed } => !std::mem::replace(is_noticed, true),
            End::Passed | End::Withheld => false,
        }
    }

    pub(super) fn with_frames<R>(&self, with: impl FnOnce(&mut Frames) -> R) -> R {
        with(&mut self.0.borrow_mut().frames)
    }

    /// When the client was last heard of.
    pub(super) fn last_read(&self) -> Instant {
        self.0.borrow().last_read
    }

    /// Whether the peer's progress is to be checked at intervals.
    pub(super) fn has_stall_watch(&self) -> bool {
        self.0.borrow().stall.is_active()
    }

    /// The check at an interval: whether the peer has acknowledged too little for too long.
    pub(super) fn has_stalled(&self, timeout: Duration) -> bool {
        let state = &mut *self.0.borrow_mut();
        state.stall.has_stalled(&state.io, state.is_full, timeout)
    }

    /// Whether the kernel has noticed that the peer has stalled.
    pub(super) fn has_timed_out(&self) -> bool {
        self.0.borrow().has_timed_out
    }

    /// The connection is about to be closed.
    pub(super) fn close(&self, timeout: Duration) {
        let state = &mut *self.0.borrow_mut();
        state.stall.end(&state.io, timeout);
    }
}

impl State {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.readable == 0 || self.end.is_reached() {
            // The task polls again: see `has_more` and `has_ended`.
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        if self.received.is_empty() {
            let read = ready!(Pin::new(&mut self.io).poll_read(cx, buffer));
            self.noted(read)?;
            let is_end = buffer.filled().len() == before && buffer.remaining() > 0;
            if is_end && self.end == End::Withheld {
                self.end = End::Reached { is_noticed: false };
                return Poll::Pending;
            }
        } else {
            let taken = self.received.len().min(buffer.remaining());
            buffer.put_slice(&self.received[..taken]);
            self.received.advance(taken);
            if self.received.is_empty() {
                // An empty slice would keep the whole buffer alive.
                self.received = Bytes::new();
            }
        }
        let new = &buffer.filled()[before..];
        self.readable = self.readable.saturating_sub(new.len());
        self.frames.receive(new);
        self.last_read = Instant::now();
        Poll::Ready(Ok(()))
    }

    fn wrote(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.is_full = written.is_pending();
        match written {
            Poll::Pending => {
                self.stall.add_partly_written(&self.io, 0);
                Poll::Pending
            }
            Poll::Ready(written) => {
                let written = self.noted(written)?;
                let sent = self.io.take_sent(written);
                self.stall.add_written(&self.io, sent);
                Poll::Ready(Ok(written))
            }
        }
    }

    fn noted<R>(&mut self, result: io::Result<R>) -> io::Result<R> {
        if let Err(error) = &result {
            self.has_timed_out |= error.kind() == io::ErrorKind::TimedOut;
        }
        result
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let state = &mut *self.0.borrow_mut();
        let written = Pin::new(&mut state.io).poll_write(cx, bytes);
        state.wrote(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let state = &mut *self.0.borrow_mut();
        let written = Pin::new(&mut state.io).poll_write_vectored(cx, slices);
        state.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.borrow().io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.0.borrow_mut();
        let flushed = Pin::new(&mut state.io).poll_flush(cx);
        // A session of TLS has accepted bytes for which the socket has no room.
        state.is_full |= flushed.is_pending();
        flushed.map(|flushed| state.noted(flushed))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.0.borrow_mut();
        Pin::new(&mut state.io).poll_shutdown(cx)
    }
}
