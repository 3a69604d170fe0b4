//! One open stream: writes what is due from its subscription to its socket.

mod batch;

use std::{
    io,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;

pub(super) use self::batch::Step;
use super::{
    head::GrantedStream,
    inbox::StreamWaker,
    outgoing::{Framer, Outgoing, append_chunk},
    stall_watch::StallWatch,
};
use crate::http::connection::{
    capacity::Counted, client_socket::ClientSocket, cut::BROKEN_CHUNK, discarded::Discarded,
    slow_replay::SlowReplay, socket,
};
use sse_broadcaster::broadcaster::{DisconnectWatch, EncodedStream, Ended};
use sse_broadcaster_http::{AddressSlot, StreamGuard};

/// Most bytes that are written for one stream before others have their turn.
const PER_TURN_BYTES: usize = 256 << 10;
/// Most bytes that are collected for the first write of a stream.
const FIRST_WRITE_BYTES: usize = 32 << 10;

/// A subscription and its socket.
pub(super) struct Stream {
    pub(super) socket: ClientSocket,
    due: EncodedStream,
    waker: Arc<StreamWaker>,
    framing: Framing,
    discarded: Discarded,
    /// Whether the socket is polled for room as well: it was full once.
    pub(super) watches_room: bool,
    /// Whether a check for a stall is scheduled.
    pub(super) has_timer: bool,
    /// Whether a part of an encrypted record had arrived at the last check.
    had_partial_record: bool,
    full: Option<Box<Full>>,
    stall_watch: StallWatch,
    /// Counts it as a connection and as a stream.
    _counted: [Counted; 2],
    _slot: Option<AddressSlot>,
    _presence: Option<Box<sse_broadcaster_presence::Connection>>,
    _guard: Option<StreamGuard>,
}

/// How the stream's bytes are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Plain,
    Chunks,
    /// The broken chunk that ends them has been written, or waits for room.
    BrokenChunk,
}

/// A write that waits for room in the socket.
struct Full {
    outgoing: Outgoing,
    replay: SlowReplay,
    /// The subscription is not polled meanwhile. `None` where nobody can disconnect it.
    disconnect: Option<DisconnectWatch>,
}

impl Full {
    /// Waits for room, unless an operator has ended the stream.
    fn wait(&self, waker: &Arc<StreamWaker>) -> Progress {
        let Some(disconnect) = &self.disconnect else {
            return Progress::Blocked;
        };
        let waker = Waker::from(Arc::clone(waker));
        match disconnect.poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(()) => Progress::Gone,
            Poll::Pending => Progress::Blocked,
        }
    }
}

/// The result of a step, and what the stream waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing is due: it waits for its waker.
    Idle,
    /// Its socket is full: it waits for room.
    Blocked,
    /// Everything has been written, and the connection is to be cut.
    Finished,
    /// The client has disconnected, has stalled, or does not read and was disconnected by an operator.
    Gone,
}

impl Stream {
    /// Also returns the head of the response, for `begin`.
    pub(super) fn new(
        socket: ClientSocket,
        granted: GrantedStream,
        waker: Arc<StreamWaker>,
        counted: [Counted; 2],
    ) -> (Self, Vec<u8>) {
        let stream = Self {
            socket,
            due: granted.opened.stream,
            waker,
            framing: if granted.chunked {
                Framing::Chunks
            } else {
                Framing::Plain
            },
            discarded: Discarded::of(granted.trailing_bytes),
            watches_room: false,
            has_timer: false,
            had_partial_record: false,
            full: None,
            stall_watch: StallWatch::default(),
            _counted: counted,
            _slot: granted.opened.slot,
            _presence: granted.opened.presence,
            _guard: granted.opened.guard,
        };
        (stream, granted.head)
    }

    /// Writes the head of the response together with the events that are due already.
    pub(super) fn begin(&mut self, mut head: Vec<u8>, framer: &mut Framer) -> Progress {
        let waker = Waker::from(Arc::clone(&self.waker));
        let mut cx = Context::from_waker(&waker);
        let mut is_pending = false;
        while head.len() < FIRST_WRITE_BYTES {
            match self.due.poll_due(&mut cx) {
                // Other streams may share these bytes, so that they are not copied.
                Poll::Ready(Some(bytes)) if bytes.len() > FIRST_WRITE_BYTES => {
                    self.due.put_back(bytes);
                    break;
                }
                Poll::Ready(Some(bytes)) if self.is_chunked() => append_chunk(&mut head, &bytes),
                Poll::Ready(Some(bytes)) => head.extend_from_slice(&bytes),
                Poll::Ready(None) => break,
                Poll::Pending => {
                    is_pending = true;
                    break;
                }
            }
        }
        let mut outgoing = Outgoing::plain(head.into());
        match outgoing.write(&mut self.socket) {
            Ok(true) if is_pending => Progress::Idle,
            Ok(true) => self.advance(framer),
            Ok(false) => self.wait_for_room(outgoing),
            Err(error) => self.gone(&error),
        }
    }

    /// Writes what is due, until nothing is left or the socket is full.
    pub(super) fn advance(&mut self, framer: &mut Framer) -> Progress {
        self.waker.reset();
        if let Some(full) = &self.full {
            return full.wait(&self.waker);
        }
        let waker = Waker::from(Arc::clone(&self.waker));
        let mut cx = Context::from_waker(&waker);
        let mut written = 0;
        while written < PER_TURN_BYTES {
            let bytes = match self.due.poll_due(&mut cx) {
                Poll::Ready(Some(bytes)) => bytes,
                Poll::Ready(None) => return self.break_off(),
                Poll::Pending => return Progress::Idle,
            };
            written += bytes.len();
            let length = bytes.len();
            let is_chunked = self.is_chunked();
            let left = framer.write(&mut self.socket, bytes, is_chunked);
            if let Some(progress) = self.has_written(length, left) {
                return progress;
            }
        }
        waker.wake();
        Progress::Idle
    }

    /// After a write of so many bytes, and with what is left of it. `None`: more may be due.
    fn has_written(
        &mut self,
        length: usize,
        left: io::Result<Option<Outgoing>>,
    ) -> Option<Progress> {
        match left {
            Ok(None) => {
                let sent = self.socket.take_sent(length);
                self.stall_watch.add_written(&self.socket, sent);
                self.due.is_settled().then_some(Progress::Idle)
            }
            Ok(Some(outgoing)) => Some(self.wait_for_room(outgoing)),
            Err(error) => Some(self.gone(&error)),
        }
    }

    fn is_chunked(&self) -> bool {
        self.framing != Framing::Plain
    }

    /// Everything that was due has been written: cuts the stream.
    fn break_off(&mut self) -> Progress {
        if self.framing != Framing::Chunks {
            return Progress::Finished;
        }
        self.framing = Framing::BrokenChunk;
        let mut outgoing = Outgoing::plain(Bytes::from_static(BROKEN_CHUNK));
        match outgoing.write(&mut self.socket) {
            Ok(true) => Progress::Finished,
            Ok(false) => self.wait_for_room(outgoing),
            Err(error) => self.gone(&error),
        }
    }

    fn wait_for_room(&mut self, outgoing: Outgoing) -> Progress {
        let written = outgoing.written();
        let sent = self.socket.take_sent(written);
        self.stall_watch.add_partly_written(&self.socket, sent);
        let full = Full {
            outgoing,
            replay: SlowReplay::begin(written as u64),
            disconnect: self.due.disconnect_watch(),
        };
        let progress = full.wait(&self.waker);
        self.full = Some(Box::new(full));
        progress
    }

    /// The stream is about to be closed.
    pub(super) fn end_stall_watch(&mut self, timeout: Duration) {
        self.stall_watch.end(&self.socket, timeout);
    }

    /// Whether it is to be checked at intervals: the peer's progress, or that an encrypted record becomes complete.
    pub(super) fn needs_checks(&self) -> bool {
        self.stall_watch.is_active() || self.socket.has_partial_record()
    }

    /// The socket has room again.
    pub(super) fn write_on(&mut self, framer: &mut Framer) -> Progress {
        let Some(full) = &mut self.full else {
            return Progress::Idle;
        };
        let before = full.outgoing.written();
        let written = full.outgoing.write(&mut self.socket);
        let sent = self.socket.take_sent(full.outgoing.written() - before);
        self.stall_watch.add_partly_written(&self.socket, sent);
        match written {
            Ok(true) => {
                self.full = None;
                self.advance(framer)
            }
            Ok(false) => Progress::Blocked,
            Err(error) => self.gone(&error),
        }
    }

    /// The check at an interval: ends a stream whose peer has acknowledged too little for too long, or reads a
    /// replay too slowly while others wait for its buffers, or that has sent a part of an encrypted record and not the rest.
    pub(super) fn check(&mut self, timeout: Duration, is_wanted: bool) -> Progress {
        let has_partial_record = self.socket.has_partial_record();
        if std::mem::replace(&mut self.had_partial_record, has_partial_record) && has_partial_record
        {
            return Progress::Gone;
        }
        let is_full = self.full.is_some();
        let has_stalled = (self.stall_watch).has_stalled(&self.socket, is_full, timeout);
        let is_slow = self.full.as_mut().is_some_and(|full| {
            let written = full.outgoing.written() as u64;
            full.replay.is_over(written, timeout)
        });
        if has_stalled || (is_slow && is_wanted && self.due.is_past()) {
            self.due.ends_as(Ended::Stalled);
            return Progress::Gone;
        }
        match self.full {
            Some(_) => Progress::Blocked,
            None => Progress::Idle,
        }
    }

    /// Reads and discards, to notice that the client disconnects.
    pub(super) fn discard(&mut self) -> Progress {
        loop {
            let read = match self.socket.discard() {
                Ok(0) => return Progress::Gone,
                Ok(read) => self.discarded.add(read),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Progress::Idle,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = read {
                return self.gone(&error);
            }
        }
    }

    /// The kernel has the same timeout, and may be the first to notice that the peer has stalled.
    fn gone(&mut self, error: &io::Error) -> Progress {
        if error.kind() == io::ErrorKind::TimedOut {
            self.due.ends_as(Ended::Stalled);
        }
        Progress::Gone
    }

    /// Without chunks a close would look like a clean end, after which some clients do not reconnect.
    pub(super) fn needs_reset(&self) -> bool {
        !self.is_chunked()
    }
}

impl Drop for Stream {
    /// Cuts a stream that is still open when the worker ends.
    fn drop(&mut self) {
        if self.needs_reset() {
            socket::reset_on_close(&self.socket);
        } else if self.framing == Framing::Chunks && self.full.is_none() {
            // The stream is between two chunks. What the socket does not accept now is lost.
            let _ = self.socket.write(BROKEN_CHUNK);
        }
    }
}
