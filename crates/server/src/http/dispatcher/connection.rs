//! The IO under actix's dispatcher: it sees the bytes move, so that it can tell a stalled stream from
//! a slow one, cut a stream so that its client comes back, discard what a client sends behind an open
//! stream, and hand over one request at a time.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{
    ending::Ending,
    idle::Idle,
    input::{Input, Read},
    output::{Output, Peer, note_timeout},
};
use crate::http::{
    connection::{capacity::Counted, settings::Settings, socket},
    routes::refusals,
};
use sse_broadcaster_actix::internal::Link;

pub(crate) struct Connection {
    io: TcpStream,
    link: Rc<Link>,
    settings: Settings,
    input: Input,
    idle: Idle,
    output: Output,
    ending: Ending,
    /// The dispatcher has rejected what no service has seen, after which it takes nothing more.
    is_rejected: bool,
    _counted: Counted,
}

impl Connection {
    /// `received` is what was read of the socket already.
    pub(crate) fn new(
        io: TcpStream,
        received: Bytes,
        settings: &Settings,
        counted: Counted,
    ) -> Self {
        Self {
            io,
            link: Rc::default(),
            settings: settings.clone(),
            input: Input::new(received),
            idle: Idle::default(),
            output: Output::default(),
            ending: Ending::default(),
            is_rejected: false,
            _counted: counted,
        }
    }

    pub(crate) fn link(&self) -> Rc<Link> {
        Rc::clone(&self.link)
    }

    fn output(&mut self) -> (&mut Output, Peer<'_>) {
        let peer = Peer {
            io: &self.io,
            link: &self.link,
            settings: &self.settings,
        };
        (&mut self.output, peer)
    }

    /// The request that was handed over may have been decoded meanwhile.
    fn look_at_request(&mut self) {
        if let Some(framing) = self.link.take_framing() {
            self.input.intake.begin(framing);
            self.idle.end_head();
        }
    }

    /// What the dispatcher writes before a request was decoded is a refusal of its own, unless it asks for
    /// the request's body.
    fn look_at_response(&mut self, response: &[u8]) {
        self.look_at_request();
        if self.is_rejected || !self.input.intake.is_within_head() {
            return;
        }
        let peer = || self.io.peer_addr().ok();
        self.is_rejected = refusals::count_unserved(&self.settings.refusals, response, peer);
    }

    /// Fails once a client has taken too long for a further head, or its connection is wanted for others.
    fn check_between_requests(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.idle.check_displaced()?;
        if self.input.intake.is_within_further_head() {
            self.idle.check_head(self.settings.head_timeout, cx)?;
        }
        Ok(())
    }

    /// All that was written is with the kernel.
    fn has_flushed(&mut self, cx: &mut Context<'_>) {
        self.look_at_request();
        if self.link.is_responding() || !self.input.intake.has_responded() {
            return;
        }
        if self.input.has_received() {
            cx.waker().wake_by_ref();
        } else {
            self.idle.begin(&self.settings, cx.waker());
        }
    }

    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let discarded = self.input.poll_discard(&mut self.io, cx);
        discarded.map_err(|error| self.noted(error))
    }

    fn noted(&self, error: io::Error) -> io::Error {
        note_timeout(&self.link, &error);
        error
    }

    /// Writes the broken chunk that a stream in chunks ends with.
    fn poll_broken_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.link.is_deaf() {
            let rest = self.ending.rest_of_chunk();
            if rest.is_empty() {
                break;
            }
            let written = Pin::new(&mut self.io).poll_write(cx, rest);
            let (output, peer) = self.output();
            let written = ready!(output.wrote(written, peer, cx))?;
            self.ending.has_written(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Everything written is with the kernel: the connection may end, without the last chunk.
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.link.needs_reset() {
            ready!(self.ending.poll_reset(&self.io, cx));
        } else {
            ready!(self.poll_broken_chunk(cx))?;
        }
        // What is unread at the close would make it a reset that overtakes what was just sent.
        let _ = self.poll_discard(cx);
        Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let (output, peer) = this.output();
        output.check_stall(peer, cx)?;
        if this.link.is_deaf() {
            return this.poll_discard(cx);
        }
        this.look_at_request();
        if this.output.is_full() {
            // Nothing more is taken of a client that takes no response. Room to write wakes it.
            return Poll::Pending;
        }
        if this.input.intake.is_closed() {
            let ahead = this.input.poll_ahead(&mut this.io, &this.link, cx);
            return ahead.map_err(|error| this.noted(error));
        }
        match ready!(this.input.poll_read(&mut this.io, cx, buffer))? {
            Read::Nothing => {
                // Timeouts are checked once everything that has come was read.
                this.check_between_requests(cx)?;
                return Poll::Pending;
            }
            Read::Received => {}
            Read::New => this.idle.end(),
        }
        Poll::Ready(Ok(()))
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
        let (output, peer) = this.output();
        output.wrote(written, peer, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.look_at_response(slices.first().map_or(&[], |first| first));
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, slices);
        let (output, peer) = this.output();
        output.wrote(written, peer, cx)
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
        if self.output.has_stall_watch() {
            // What is unsent stays with the kernel for so long, and no longer.
            socket::wait_for_peer(&self.io, Some(self.settings.stall_timeout));
        }
        if self.link.is_streaming() && self.link.needs_reset() {
            socket::reset_on_close(&self.io);
        }
    }
}
