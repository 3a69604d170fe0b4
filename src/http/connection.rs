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

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use super::{link::Link, socket};

/// Most bytes that one poll of the dispatcher reads. It decodes what it has before it is polled
/// again, so that a stream is open before much of what is sent behind it has been buffered.
const READ_PER_POLL: usize = 16 << 10;
/// Most bytes that a client may send behind an open stream before it is cut.
const MAX_BEHIND_STREAM: usize = 64 << 10;
/// How long a reset waits at least: a peer that finds what was sent and the reset at one look may take
/// the latter for a clean end (libuv does).
const RESET_GRACE: Duration = Duration::from_millis(50);
/// How long it waits at most for the peer to acknowledge what was sent.
const RESET_BOUND: Duration = Duration::from_secs(1);
/// How often it looks.
const RESET_LOOK: Duration = Duration::from_millis(5);
/// Looks at a connection that takes nothing, per stall timeout.
const STALL_LOOKS: u32 = 4;

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
    link: Rc<Link>,
    read_in_poll: usize,
    behind_stream: usize,
    stall_timeout: Duration,
    next_head_timeout: Duration,
    next_head: Option<NextHead>,
    stall: Option<Stall>,
    reset: Option<Reset>,
    open: Arc<AtomicUsize>,
}

/// A client that was answered and may send a further request.
struct NextHead {
    look: Pin<Box<Sleep>>,
    answered: Instant,
}

/// A write that waits for the socket to take something.
struct Stall {
    look: Pin<Box<Sleep>>,
    unacknowledged: u64,
    progress: Instant,
}

/// A reset that waits for what was sent to arrive.
struct Reset {
    look: Pin<Box<Sleep>>,
    begun: Instant,
}

impl Reset {
    fn is_due(&self, unacknowledged: u64) -> bool {
        let waited = self.begun.elapsed();
        waited >= RESET_BOUND || (waited >= RESET_GRACE && unacknowledged == 0)
    }
}

impl Connection {
    /// `None` where as many are open as allowed.
    pub(super) fn new(io: TcpStream, settings: &Settings) -> Option<Self> {
        let open = settings.open.fetch_add(1, Ordering::Relaxed);
        if open >= settings.max_connections {
            settings.open.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        socket::configure(&io, settings.socket_buffer_bytes, settings.stall_timeout);
        Some(Self {
            io,
            link: Rc::default(),
            read_in_poll: 0,
            behind_stream: 0,
            stall_timeout: settings.stall_timeout,
            next_head_timeout: settings.next_head_timeout,
            next_head: None,
            stall: None,
            reset: None,
            open: Arc::clone(&settings.open),
        })
    }

    pub(super) fn link(&self) -> Rc<Link> {
        Rc::clone(&self.link)
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
            self.behind_stream += read;
            if self.behind_stream > MAX_BEHIND_STREAM {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
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
        let interval = self.stall_timeout / STALL_LOOKS;
        let unacknowledged = socket::unacknowledged(&self.io);
        let stall = self.stall.get_or_insert_with(|| Stall {
            look: Box::pin(sleep(interval)),
            unacknowledged,
            progress: Instant::now(),
        });
        while stall.look.as_mut().poll(cx).is_ready() {
            if unacknowledged < stall.unacknowledged {
                stall.progress = Instant::now();
            } else if stall.progress.elapsed() >= self.stall_timeout {
                self.link.set_stalled();
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            stall.unacknowledged = unacknowledged;
            stall
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
            let reset = self.reset.get_or_insert_with(|| Reset {
                look: Box::pin(sleep(RESET_LOOK)),
                begun: Instant::now(),
            });
            while !reset.is_due(socket::unacknowledged(io)) {
                ready!(reset.look.as_mut().poll(cx));
                reset
                    .look
                    .as_mut()
                    .reset(tokio::time::Instant::now() + RESET_LOOK);
            }
            socket::reset_on_close(io);
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
                if self.stall.take().is_some() && !self.link.is_streaming() {
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
        if this.link.is_streaming() {
            return this.poll_discard(cx);
        }
        this.check_next_head(cx)?;
        if this.stall.is_some() {
            // Nothing more is taken of a client that takes no answers: the dispatcher, with its buffer
            // full, would poll itself without end. Room to write wakes it.
            return Poll::Pending;
        }
        if this.read_in_poll >= READ_PER_POLL {
            this.read_in_poll = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.io).poll_read(cx, buffer);
        let got = buffer.filled().len() - before;
        match &read {
            Poll::Pending => this.read_in_poll = 0,
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
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}
