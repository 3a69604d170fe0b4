//! The state that a response and the server's own connection under it share. Both are on one thread.

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{HttpMessage as _, HttpRequest};
use sse_broadcaster::broadcaster::DisconnectWatch;
use sse_broadcaster_http::OpenedStream;

/// How the body of a request is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// By its length in bytes.
    Length(u64),
    /// In chunks.
    Chunked,
    /// Everything until the connection ends, as after the handshake of a WebSocket.
    UntilClose,
}

/// The state of one connection; over HTTP/2, of one request.
#[derive(Debug, Default)]
pub struct Link {
    responding: Cell<bool>,
    framing: Cell<Option<Framing>>,
    committing: Cell<bool>,
    streaming: Cell<bool>,
    unchunked: Cell<bool>,
    websocket: Cell<bool>,
    cut: Cell<bool>,
    replaying: Cell<bool>,
    stalled: Cell<bool>,
    unacknowledged: Cell<bool>,
    /// Set with the stream, which is the connection's last response.
    disconnect: OnceCell<DisconnectWatch>,
    /// Whether the connection sends the stream itself.
    takes_stream: bool,
    handed_over: RefCell<Option<Box<OpenedStream>>>,
}

impl Link {
    /// The state of a request whose connection sends its stream itself, if the response is one.
    #[must_use]
    pub fn taking_stream() -> Self {
        Self {
            takes_stream: true,
            ..Self::default()
        }
    }

    /// The link of a request: of its connection, or its own, which is among its extensions.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Option<Rc<Self>> {
        let link = request.conn_data::<Rc<Self>>().cloned();
        link.or_else(|| request.extensions().get::<Rc<Self>>().cloned())
    }

    /// Hands a stream over to the connection; returns it if the connection does not take it.
    pub(crate) fn hand_over(&self, opened: Box<OpenedStream>) -> Option<Box<OpenedStream>> {
        if self.takes_stream {
            *self.handed_over.borrow_mut() = Some(opened);
            return None;
        }
        Some(opened)
    }

    /// The stream that was handed over: the body of the response.
    pub fn take_stream(&self) -> Option<Box<OpenedStream>> {
        self.handed_over.take()
    }

    /// The head of a request has been parsed, and its response begins.
    pub fn begin_response(&self, framing: Framing) {
        self.responding.set(true);
        self.framing.set(Some(framing));
    }

    /// The response is complete, though it may not have been sent.
    pub fn end_response(&self) {
        self.responding.set(false);
    }

    /// The framing of the body of the request that was parsed since the last call.
    pub fn take_framing(&self) -> Option<Framing> {
        self.framing.take()
    }

    /// Whether a response has begun and is not complete.
    pub fn is_responding(&self) -> bool {
        self.responding.get()
    }

    /// Sets whether a request is being written to history.
    pub(crate) fn set_committing(&self, committing: bool) {
        self.committing.set(committing);
    }

    /// Whether a request is being written to history.
    pub fn is_committing(&self) -> bool {
        self.committing.get()
    }

    /// The response is a stream: what the client sends from now on is discarded.
    pub(crate) fn begin_stream(&self, chunked: bool) {
        self.streaming.set(true);
        self.unchunked.set(!chunked);
    }

    /// The response is a WebSocket, whose client sends messages.
    pub fn begin_websocket(&self) {
        self.streaming.set(true);
        self.websocket.set(true);
    }

    /// Sets by what it is noticed that an operator disconnects the stream, where one can.
    pub fn watch_disconnect(&self, watch: Option<DisconnectWatch>) {
        if let Some(watch) = watch {
            // There is one stream on a connection.
            let _ = self.disconnect.set(watch);
        }
    }

    /// Ready once an operator has disconnected the stream. The connection asks while its socket is full, since then the
    /// stream is not polled.
    pub fn poll_disconnected(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.disconnect
            .get()
            .map_or(Poll::Pending, |watch| watch.poll(cx))
    }

    /// Whether the response is a stream or a WebSocket.
    pub fn is_streaming(&self) -> bool {
        self.streaming.get()
    }

    /// Whether what the client sends is read only to notice that it disconnects.
    pub fn ignores_input(&self) -> bool {
        self.streaming.get() && !self.websocket.get()
    }

    /// Whether a cut must be a reset: without chunks a close looks like a clean end, after which some clients do not
    /// reconnect.
    pub fn needs_reset(&self) -> bool {
        self.unchunked.get()
    }

    /// Cuts the connection once everything written so far has been sent.
    pub fn cut(&self) {
        self.cut.set(true);
    }

    /// Whether the connection is to be cut.
    pub fn is_cut(&self) -> bool {
        self.cut.get()
    }

    /// Sets whether replayed events are being sent, which count against the budget of replays.
    pub fn set_replaying(&self, replaying: bool) {
        self.replaying.set(replaying);
    }

    /// Whether replayed events are being sent.
    pub fn is_replaying(&self) -> bool {
        self.replaying.get()
    }

    /// Sets whether the peer has bytes to acknowledge, so that the connection checks its progress.
    pub fn set_unacknowledged(&self, unacknowledged: bool) {
        self.unacknowledged.set(unacknowledged);
    }

    /// Whether the peer has bytes to acknowledge.
    pub fn is_unacknowledged(&self) -> bool {
        self.unacknowledged.get()
    }

    /// The peer acknowledges too little, so that the connection is closed.
    pub fn set_stalled(&self) {
        self.stalled.set(true);
    }

    /// Whether the connection is closed because the peer acknowledges too little.
    pub fn has_stalled(&self) -> bool {
        self.stalled.get()
    }
}
