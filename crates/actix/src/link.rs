//! What a stream's body and the connection under it share. Both live on one thread.

use std::cell::Cell;

/// How the bytes behind a request's head are its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// So many are.
    Length(u64),
    /// In chunks, each with its length.
    Chunked,
    /// All are, until the connection ends.
    Open,
}

/// Shared by a connection and the one stream that it may come to carry.
#[derive(Debug, Default)]
pub struct Link {
    responding: Cell<bool>,
    framing: Cell<Option<Framing>>,
    committing: Cell<bool>,
    streaming: Cell<bool>,
    unchunked: Cell<bool>,
    conversing: Cell<bool>,
    cut: Cell<bool>,
    past: Cell<bool>,
    stalled: Cell<bool>,
    unacknowledged: Cell<bool>,
}

impl Link {
    /// A request's head has been decoded, and its response is begun.
    pub fn begin_response(&self, framing: Framing) {
        self.responding.set(true);
        self.framing.set(Some(framing));
    }

    /// The response has been made whole, though it may not have left.
    pub fn end_response(&self) {
        self.responding.set(false);
    }

    /// How the body of the request is framed that was decoded since the last call.
    pub fn take_framing(&self) -> Option<Framing> {
        self.framing.take()
    }

    /// Whether a response is begun and not made whole.
    pub fn is_responding(&self) -> bool {
        self.responding.get()
    }

    /// A complete request is being written to history, or not any more.
    pub(crate) fn set_committing(&self, committing: bool) {
        self.committing.set(committing);
    }

    /// Whether a request is being written to history.
    pub fn is_committing(&self) -> bool {
        self.committing.get()
    }

    /// From now on nothing that the client sends is of interest.
    pub(crate) fn begin_stream(&self, chunked: bool) {
        self.streaming.set(true);
        self.unchunked.set(!chunked);
    }

    /// A stream whose client sends, too: a WebSocket.
    pub fn begin_conversation(&self) {
        self.streaming.set(true);
        self.conversing.set(true);
    }

    /// Whether the response is a stream or a WebSocket.
    pub fn is_streaming(&self) -> bool {
        self.streaming.get()
    }

    /// What the client sends is read for its end alone.
    pub fn is_deaf(&self) -> bool {
        self.streaming.get() && !self.conversing.get()
    }

    /// Without chunks a mere close would look like a clean end, after which some clients give up.
    pub fn needs_reset(&self) -> bool {
        self.unchunked.get()
    }

    /// Cuts the connection once everything written so far has left.
    pub fn cut(&self) {
        self.cut.set(true);
    }

    /// Whether the connection is to be cut.
    pub fn is_cut(&self) -> bool {
        self.cut.get()
    }

    /// What is being sent is of the past, and counts against the budget of replays.
    pub fn set_past(&self, past: bool) {
        self.past.set(past);
    }

    /// Whether what is being sent is of the past.
    pub fn is_past(&self) -> bool {
        self.past.get()
    }

    /// The peer has not acknowledged all of what it was sent, and its progress is judged by that.
    pub fn set_unacknowledged(&self, unacknowledged: bool) {
        self.unacknowledged.set(unacknowledged);
    }

    /// Whether the peer has bytes to acknowledge.
    pub fn is_unacknowledged(&self) -> bool {
        self.unacknowledged.get()
    }

    /// The peer takes nothing, and is given up.
    pub fn set_stalled(&self) {
        self.stalled.set(true);
    }

    /// Whether the peer was given up since it takes nothing.
    pub fn has_stalled(&self) -> bool {
        self.stalled.get()
    }
}
