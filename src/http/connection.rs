//! The IO under actix's dispatcher: it sees the bytes move, so that it can tell a stalled stream from
//! a slow one, cut a stream so that its client comes back, and throw away what a client sends behind
//! an open stream.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use super::{
    link::Link,
    patience::{Discarded, RESET_LOOK, Reset, Stall},
    socket,
};

/// Most bytes that one poll of the dispatcher reads. It decodes what it has before it is polled
/// again, so that a stream is open before much of what is sent behind it has been buffered.
const READ_PER_POLL: usize = 16 << 10;
/// What all connections of a server share.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) stall_timeout: Duration,
    /// How long an answered client may take until it has sent a whole further head: actix's own
    /// timeout holds for the first one of a connection.
    pub(super) next_head_timeout: Duration,
    pub(super) socket_buffer_bytes: usize,
    pub(super) max_connections: usize,
    pub(super) open: Arc<AtomicUsize>,
}

pub(super) struct Connection {
    io: TcpStream,
    begun: Bytes,
    link: Rc<Link>,
    read_in_poll: usize,
    discarded: Discarded,
    stall_timeout: Duration,
    next_head_timeout: Duration,
    next_head: Option<NextHead>,
    stall: Option<StallWatch>,
    reset: Option<ResetWatch>,
    _counted: Counted,
}

/// A client that was answered and may send a further request.
struct NextHead {
    look: Pin<Box<Sleep>>,
    answered: Instant,
}

/// A write that waits for the socket to take something.
struct StallWatch {
    look: Pin<Box<Sleep>>,
    stall: Stall,
}

/// A reset that waits for what was sent to arrive.
struct ResetWatch {
    look: Pin<Box<Sleep>>,
    reset: Reset,
}

impl Settings {
    /// Counts a connection, until what is returned is dropped; `None` where as many are open as
    /// allowed.
    pub(super) fn count(&self) -> Option<Counted> {
        let open = self.open.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(Arc::clone(&self.open));
        (open < self.max_connections).then_some(counted)
    }
}

/// One of those that are counted, until it is dropped.
#[derive(Debug)]
pub(super) struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub(super) fn among(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connection {
    /// `begun` is what was read of the socket already.
    pub(super) fn new(io: TcpStream, begun: Bytes, settings: &Settings, counted: Counted) -> Self {
        Self {
            io,
            begun,
            link: Rc::default(),
            read_in_poll: 0,
            discarded: Discarded::default(),
            stall_timeout: settings.stall_timeout,
            next_head_timeout: settings.next_head_timeout,
            next_head: None,
            stall: None,
            reset: None,
            _counted: counted,
        }
    }

    pub(super) fn link(&self) -> Rc<Link> {
        Rc::clone(&self.link)
    }

    fn take_begun(&mut self, buffer: &mut ReadBuf<'_>) {
        let taken = self.begun.len().min(buffer.remaining());
        buffer.put_slice(&self.begun[..taken]);
        self.begun = match self.begun.slice(taken..) {
            // An empty slice would hold on to the whole.
            rest if rest.is_empty() => Bytes::new(),
            rest => rest,
        };
        self.read_in_poll += taken;
    }

    /// Reads on only to learn of the end: `Ready(Ok)` is the end of what the client sends.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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

    /// Fails once an answered client has taken too long for its next head.
    fn check_next_head(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(next) = &mut self.next_head else {
            return Ok(());
        };
        while next.look.as_mut().poll(cx).is_ready() {
            if self.link.is_answering() {
                next.answered = Instant::now();
            }
            let deadline = next.answered + self.next_head_timeout;
            if deadline <= Instant::now() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            next.look.as_mut().reset(deadline.into());
        }
        Ok(())
    }

    /// Some of an answer has left.
    fn has_answered(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.link.is_streaming() {
            self.next_head = None;
            return Ok(());
        }
        let answered = Instant::now();
        if let Some(next) = &mut self.next_head {
            next.answered = answered;
            return Ok(());
        }
        self.next_head = Some(NextHead {
            look: Box::pin(sleep(self.next_head_timeout)),
            answered,
        });
        self.check_next_head(cx)
    }

    /// The socket is full. Fails once it has taken nothing for the stall timeout.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let interval = Stall::interval(self.stall_timeout);
        let unacknowledged = socket::unacknowledged(&self.io);
        let watch = self.stall.get_or_insert_with(|| StallWatch {
            look: Box::pin(sleep(interval)),
            stall: Stall::begin(unacknowledged),
        });
        while watch.look.as_mut().poll(cx).is_ready() {
            if watch.stall.is_over(unacknowledged, self.stall_timeout) {
                self.link.set_stalled();
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            watch
                .look
                .as_mut()
                .reset(tokio::time::Instant::now() + interval);
        }
        Poll::Pending
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
                if self.stall.take().is_some() && !self.link.is_deaf() {
                    // For what was not read meanwhile.
                    cx.waker().wake_by_ref();
                }
                self.has_answered(cx)?;
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
        if this.link.is_deaf() {
            return this.poll_discard(cx);
        }
        if this.stall.is_some() {
            this.check_next_head(cx)?;
            // Nothing more is taken of a client that takes no answers: the dispatcher, with its buffer
            // full, would poll itself without end. Room to write wakes it.
            return Poll::Pending;
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
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.io).poll_read(cx, buffer);
        let got = buffer.filled().len() - before;
        match &read {
            Poll::Pending => {
                this.read_in_poll = 0;
                // All that came has been read, before the clock is looked at.
                this.check_next_head(cx)?;
            }
            // The dispatcher would leave one that has nothing more to say without its answer. What it
            // has said is looked at first; the answer, once it is there, polls again.
            Poll::Ready(Ok(())) if got == 0 && this.link.is_committing() => return Poll::Pending,
            Poll::Ready(Ok(())) if got == 0 && this.read_in_poll > 0 => {
                this.read_in_poll = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(_) => this.read_in_poll += got,
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.wrote(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
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
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

impl Drop for Connection {
    /// Also where the worker ends with streams open.
    fn drop(&mut self) {
        if self.link.is_streaming() && self.link.needs_reset() {
            socket::reset_on_close(&self.io);
        }
    }
}
