//! The IO under actix's dispatcher. It counts bytes to distinguish stalled clients from slow ones, cuts streams
//! so that their clients reconnect, discards what a client sends after the request of an open stream, and hands
//! over one request at a time.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    ending::Ending,
    idle::Idle,
    input::{Input, Read},
    output::{Output, Peer, note_timeout},
};
use crate::http::{
    connection::{async_socket::AsyncSocket, capacity::Counted, settings::Settings, socket},
    routes::refusals,
};
use sse_broadcaster_actix::internal::Link;

pub(crate) struct Connection {
    io: AsyncSocket,
    /// `None` for a Unix socket.
    peer: Option<SocketAddr>,
    link: Rc<Link>,
    settings: Settings,
    input: Input,
    idle: Idle,
    output: Output,
    ending: Ending,
    /// Whether the dispatcher has refused a request itself; it reads nothing more then.
    is_rejected: bool,
    _counted: Counted,
}

impl Connection {
    /// `received` has been read from the socket already.
    pub(crate) fn new(
        io: AsyncSocket,
        received: Bytes,
        settings: &Settings,
        (peer, counted): (Option<SocketAddr>, Counted),
    ) -> Self {
        Self {
            io,
            peer,
            link: Rc::default(),
            settings: settings.clone(),
            input: Input::new(received, settings.paths.clone()),
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

    /// Takes note of a write with this result.
    fn wrote(
        &mut self,
        written: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let bytes = match &written {
            Poll::Ready(Ok(bytes)) => *bytes,
            _ => 0,
        };
        let sent = self.io.take_sent(bytes);
        let (output, peer) = self.output();
        output.wrote(written, sent, peer, cx)
    }

    /// Takes note if the dispatcher has parsed the head that was handed over.
    fn check_parsed_head(&mut self) {
        if let Some(framing) = self.link.take_framing() {
            self.input.intake.begin(framing);
            self.idle.end_head();
        }
    }

    /// Counts the dispatcher's own refusals: what it writes before it has parsed a request, unless it asks for
    /// the body.
    fn count_refusal(&mut self, response: &[u8]) {
        self.check_parsed_head();
        if self.is_rejected || !self.input.intake.is_within_head() {
            return;
        }
        self.is_rejected = refusals::count_unserved(&self.settings.refusals, response, self.peer);
    }

    /// Fails once a client has taken too long for a further head, or the connection is to make room for another.
    fn check_between_requests(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.idle.check_displaced()?;
        if self.input.intake.is_within_further_head() {
            self.idle.check_head(self.settings.head_timeout, cx)?;
        }
        Ok(())
    }

    /// Everything has been written.
    fn has_flushed(&mut self, cx: &mut Context<'_>) {
        self.check_parsed_head();
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
        while self.link.ignores_input() {
            let rest = self.ending.rest_of_chunk();
            if rest.is_empty() {
                break;
            }
            let written = Pin::new(&mut self.io).poll_write(cx, rest);
            let written = ready!(self.wrote(written, cx))?;
            self.ending.has_written(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Cuts the stream, since everything has been written.
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.link.needs_reset() {
            ready!(self.ending.poll_reset(&self.io, cx));
        } else {
            ready!(self.poll_broken_chunk(cx))?;
        }
        // With unread bytes the close would be a reset, which overtakes what was just sent.
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
        if this.link.ignores_input() {
            return this.poll_discard(cx);
        }
        this.check_parsed_head();
        if this.output.is_full() {
            // A client that does not read its response is not read either. Room to write wakes the task.
            return Poll::Pending;
        }
        if this.input.intake.is_closed() {
            let ahead = this.input.poll_ahead(&mut this.io, &this.link, cx);
            return ahead.map_err(|error| this.noted(error));
        }
        match ready!(this.input.poll_read(&mut this.io, cx, buffer))? {
            Read::Nothing => {
                // Timeouts are checked once everything that has arrived was read.
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
        this.count_refusal(bytes);
        let written = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.wrote(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.count_refusal(slices.first().map_or(&[], |first| first));
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
        // The client may have sent more after the request: see `poll_cut`.
        let _ = this.poll_discard(cx);
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}

impl Drop for Connection {
    /// Resets a stream that is still open when the worker ends.
    fn drop(&mut self) {
        if self.output.has_stall_watch() {
            // The kernel keeps unsent bytes for this long.
            socket::wait_for_peer(&self.io, Some(self.settings.stall_timeout));
        }
        if self.link.is_streaming() && self.link.needs_reset() {
            socket::reset_on_close(&self.io);
        }
    }
}
