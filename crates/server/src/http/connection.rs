//! The IO under actix's dispatcher: it sees the bytes move, so that it can tell a stalled stream from
//! a slow one, cut a stream so that its client comes back, throw away what a client sends behind an open
//! stream, and hand over one request at a time.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use super::{
    capacity::{Capacity, Counted, Listed},
    intake::Intake,
    patience::{BROKEN_CHUNK, Discarded, Hold, RESET_LOOK, Reset, Stall, Unseen},
    refusals, socket,
};
use sse_broadcaster::internal::ReplayBuffers;
use sse_broadcaster_actix::internal::{Link, Refusals};

/// Most bytes that one poll of the dispatcher reads. It decodes what it has before it is polled
/// again, so that a stream is open before much of what is sent behind it has been buffered.
const READ_PER_POLL: usize = 16 << 10;
/// Most that is read behind a request whose response has not left, to learn of the client's end.
const READ_AHEAD: usize = 4 << 10;

/// What all connections of a listener share.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) stall_timeout: Duration,
    /// How long a client may take for the head of a further request: actix's own timeout holds for the
    /// first one of a connection.
    pub(super) head_timeout: Duration,
    pub(super) socket_buffer_bytes: usize,
    pub(super) capacity: Arc<Capacity>,
    pub(super) replay_buffers: Arc<ReplayBuffers>,
    pub(super) refusals: Arc<Refusals>,
}

pub(super) struct Connection {
    io: TcpStream,
    /// What was read and is not handed over yet.
    begun: Bytes,
    link: Rc<Link>,
    intake: Intake,
    read_in_poll: usize,
    discarded: Discarded,
    settings: Settings,
    head_deadline: Option<Pin<Box<Sleep>>>,
    idle: Option<Listed>,
    stall: Option<StallWatch>,
    unseen: Unseen,
    /// A write waits for the socket to take something.
    is_full: bool,
    written: u64,
    hold: Option<HoldWatch>,
    reset: Option<ResetWatch>,
    /// How much of the broken chunk that ends a stream is with the kernel.
    broken_off: usize,
    /// The dispatcher has refused what no service has seen, after which it takes nothing more.
    is_refused: bool,
    _counted: Counted,
}

/// What the peer may not have acknowledged.
struct StallWatch {
    look: Pin<Box<Sleep>>,
    stall: Stall,
}

/// A stream that is sent what is past, and whose socket was full once.
struct HoldWatch {
    look: Pin<Box<Sleep>>,
    hold: Hold,
}

/// A reset that waits for what was sent to arrive.
struct ResetWatch {
    look: Pin<Box<Sleep>>,
    reset: Reset,
}

impl Connection {
    /// `begun` is what was read of the socket already.
    pub(super) fn new(io: TcpStream, begun: Bytes, settings: &Settings, counted: Counted) -> Self {
        Self {
            io,
            begun,
            link: Rc::default(),
            intake: Intake::default(),
            read_in_poll: 0,
            discarded: Discarded::default(),
            settings: settings.clone(),
            head_deadline: None,
            idle: None,
            stall: None,
            unseen: Unseen::default(),
            is_full: false,
            written: 0,
            hold: None,
            reset: None,
            broken_off: 0,
            is_refused: false,
            _counted: counted,
        }
    }

    pub(super) fn link(&self) -> Rc<Link> {
        Rc::clone(&self.link)
    }

    /// The request that was handed over may have been decoded meanwhile.
    fn look_at_request(&mut self) {
        if let Some(framing) = self.link.take_framing() {
            self.intake.begin(framing);
            self.head_deadline = None;
        }
    }

    /// What the dispatcher writes before a request was decoded is a refusal of its own, unless it asks for
    /// the request's body.
    fn look_at_response(&mut self, response: &[u8]) {
        self.look_at_request();
        if self.is_refused || !self.intake.is_within_head() {
            return;
        }
        let peer = || self.io.peer_addr().ok();
        self.is_refused = refusals::count_unserved(&self.settings.refusals, response, peer);
    }

    fn take_begun(&mut self, buffer: &mut ReadBuf<'_>) {
        let taken = self.begun.len().min(buffer.remaining());
        let before = buffer.filled().len();
        buffer.put_slice(&self.begun[..taken]);
        let taken = self.intake.admit(&mut buffer.filled_mut()[before..]);
        buffer.set_filled(before + taken);
        self.begun = match self.begun.slice(taken..) {
            // An empty slice would hold on to the whole.
            rest if rest.is_empty() => Bytes::new(),
            rest => rest,
        };
        self.read_in_poll += taken;
    }

    /// Reads what the dispatcher may have, and keeps what came behind it.
    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        let read = &mut buffer.filled_mut()[before..];
        let admitted = self.intake.admit(read);
        if admitted < read.len() {
            self.begun = Bytes::copy_from_slice(&read[admitted..]);
            buffer.set_filled(before + admitted);
        }
        Poll::Ready(Ok(admitted))
    }

    /// Hands nothing over before the response has left, but reads a little ahead: `Ready(Ok)` is the end
    /// of what the client sends.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let was_reading = std::mem::take(&mut self.read_in_poll) > 0;
        if self.begun.is_empty() {
            let mut space = [0; READ_AHEAD];
            let mut buffer = ReadBuf::new(&mut space);
            let read = ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer));
            read.inspect_err(|error| self.note(error))?;
            self.begun = Bytes::copy_from_slice(buffer.filled());
        }
        // What was handed over is looked at first.
        if was_reading || (self.intake.is_decoding() && !self.begun.is_empty()) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        // The dispatcher would leave one that has nothing more to say without its response. That, once it
        // is there, polls again.
        if !self.begun.is_empty() || self.link.is_committing() {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads on only to learn of the end: `Ready(Ok)` is the end of what the client sends.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let begun = std::mem::take(&mut self.begun);
        self.discarded.add(begun.len())?;
        let mut space = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut space);
            let read = ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer));
            read.inspect_err(|error| self.note(error))?;
            let read = buffer.filled().len();
            if read == 0 {
                return Poll::Ready(Ok(()));
            }
            self.discarded.add(read)?;
        }
    }

    /// Fails once a client has taken too long for a further head, or its connection is wanted for others.
    fn check_between_requests(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.idle.as_ref().is_some_and(Listed::is_displaced) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if !self.intake.is_within_further_head() {
            return Ok(());
        }
        let timeout = self.settings.head_timeout;
        let deadline = self
            .head_deadline
            .get_or_insert_with(|| Box::pin(sleep(timeout)));
        if deadline.as_mut().poll(cx).is_ready() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    /// All that was written is with the kernel.
    fn has_flushed(&mut self, cx: &mut Context<'_>) {
        self.look_at_request();
        if self.link.is_answering() || !self.intake.has_responded() {
            return;
        }
        if self.begun.is_empty() {
            self.idle = Some(self.settings.capacity.list(cx.waker().clone()));
        } else {
            cx.waker().wake_by_ref();
        }
    }

    /// The socket is full. Fails once too little has been taken for too long.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.is_full = true;
        self.check_hold(cx)?;
        if self.stall.is_none() {
            self.judge(socket::unacknowledged(&self.io));
        }
        self.check_stall(cx)?;
        Poll::Pending
    }

    /// From now on the peer's progress is judged here, and not by the kernel.
    fn judge(&mut self, unacknowledged: u64) {
        socket::wait_for_peer(&self.io, None);
        self.link.set_unacknowledged(true);
        self.stall = Some(StallWatch {
            look: Box::pin(sleep(Stall::interval(self.settings.stall_timeout))),
            stall: Stall::begin(unacknowledged),
        });
    }

    /// Fails once the peer has acknowledged too little for too long.
    fn check_stall(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let timeout = self.settings.stall_timeout;
        while let Some(watch) = &mut self.stall
            && watch.look.as_mut().poll(cx).is_ready()
        {
            let unacknowledged = socket::unacknowledged(&self.io);
            if !self.is_full && unacknowledged == 0 {
                self.stall = None;
                self.link.set_unacknowledged(false);
                socket::wait_for_peer(&self.io, Some(timeout));
            } else if watch.stall.is_over(unacknowledged, timeout) {
                self.link.set_stalled();
                return Err(io::ErrorKind::TimedOut.into());
            } else {
                let next = tokio::time::Instant::now() + Stall::interval(timeout);
                watch.look.as_mut().reset(next);
            }
        }
        Ok(())
    }

    /// So much is with the kernel.
    fn has_written(&mut self, bytes: usize) {
        self.written += bytes as u64;
        if let Some(watch) = &mut self.stall {
            watch.stall.has_written(bytes);
        } else if self.unseen.add(bytes) {
            match socket::unacknowledged(&self.io) {
                0 => {}
                unacknowledged => self.judge(unacknowledged),
            }
        }
    }

    /// Fails where too little has been taken of what is past while others wait for what is held of it.
    fn check_hold(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if !self.link.is_past() {
            self.hold = None;
            return Ok(());
        }
        let (written, timeout) = (self.written, self.settings.stall_timeout);
        let interval = Stall::interval(timeout);
        let watch = self.hold.get_or_insert_with(|| HoldWatch {
            look: Box::pin(sleep(interval)),
            hold: Hold::begin(written),
        });
        while watch.look.as_mut().poll(cx).is_ready() {
            if watch.hold.is_over(written, timeout) && self.settings.replay_buffers.waiting() > 0 {
                self.link.set_stalled();
                return Err(io::ErrorKind::TimedOut.into());
            }
            let next = tokio::time::Instant::now() + interval;
            watch.look.as_mut().reset(next);
        }
        Ok(())
    }

    /// Writes the broken chunk that a stream in chunks ends with.
    fn poll_break_off(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.link.is_deaf() && self.broken_off < BROKEN_CHUNK.len() {
            let rest = &BROKEN_CHUNK[self.broken_off..];
            let written = Pin::new(&mut self.io).poll_write(cx, rest);
            self.broken_off += ready!(self.wrote(written, cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Everything written is with the kernel: the connection may end, without the last chunk.
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.link.needs_reset() {
            let io = &self.io;
            let watch = self.reset.get_or_insert_with(|| ResetWatch {
                look: Box::pin(sleep(RESET_LOOK)),
                reset: Reset::begin(),
            });
            while !watch.reset.is_due(socket::unacknowledged(io)) {
                ready!(watch.look.as_mut().poll(cx));
                watch
                    .look
                    .as_mut()
                    .reset(tokio::time::Instant::now() + RESET_LOOK);
            }
        } else {
            ready!(self.poll_break_off(cx))?;
        }
        // What is unread at the close would make it a reset that overtakes what was just sent.
        let _ = self.poll_discard(cx);
        Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
    }

    /// The kernel, which counts the same time, may be first to see that a stream has stalled.
    fn note(&self, error: &io::Error) {
        if error.kind() == io::ErrorKind::TimedOut {
            self.link.set_stalled();
        }
    }

    fn wrote(
        &mut self,
        written: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => self.poll_stall(cx),
            Poll::Ready(result) => {
                if std::mem::take(&mut self.is_full) && !self.link.is_deaf() {
                    // For what was not read meanwhile.
                    cx.waker().wake_by_ref();
                }
                if let Ok(written) = &result {
                    self.has_written(*written);
                }
                Poll::Ready(result.inspect_err(|error| self.note(error)))
            }
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check_stall(cx)?;
        if this.link.is_deaf() {
            return this.poll_discard(cx);
        }
        this.look_at_request();
        if this.is_full {
            // Nothing more is taken of a client that takes no response. Room to write wakes it.
            return Poll::Pending;
        }
        if this.intake.is_closed() {
            return this.poll_ahead(cx);
        }
        if this.read_in_poll >= READ_PER_POLL {
            this.read_in_poll = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if !this.begun.is_empty() {
            // What is answered before the runtime knows of room, the dispatcher gives up where a broken
            // request came behind.
            ready!(this.io.poll_write_ready(cx))?;
            this.take_begun(buffer);
            return Poll::Ready(Ok(()));
        }
        let read = this.poll_take(cx, buffer);
        match read {
            Poll::Pending => {
                this.read_in_poll = 0;
                // All that came has been read, before the clock is looked at.
                this.check_between_requests(cx)?;
            }
            // What was handed over is looked at before the end is.
            Poll::Ready(Ok(0)) if this.read_in_poll > 0 => {
                this.read_in_poll = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(Ok(got)) => {
                this.read_in_poll += got;
                this.idle = None;
            }
            Poll::Ready(Err(_)) => {}
        }
        read.map_ok(|_| ())
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.look_at_response(bytes);
        let written = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.wrote(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.look_at_response(slices.first().map_or(&[], |first| first));
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, slices);
        this.wrote(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.link.is_cut() {
            return this.poll_cut(cx);
        }
        ready!(Pin::new(&mut this.io).poll_flush(cx))?;
        this.has_flushed(cx);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // A client may have sent more behind a request that closes its connection: see `poll_cut`.
        let _ = this.poll_discard(cx);
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}

impl Drop for Connection {
    /// Also where the worker ends with streams open.
    fn drop(&mut self) {
        if self.stall.is_some() {
            // What is unsent stays with the kernel for so long, and no longer.
            socket::wait_for_peer(&self.io, Some(self.settings.stall_timeout));
        }
        if self.link.is_streaming() && self.link.needs_reset() {
            socket::reset_on_close(&self.io);
        }
    }
}
