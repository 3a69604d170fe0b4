//! What is due to the subscriber of a socket, as frames, in pieces of a bounded length.

use std::{
    cell::Cell,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::web::{Bytes, BytesMut};
use actix_ws::{CloseCode, CloseReason};

use sse_broadcaster::{
    broadcaster::{Broadcaster, EncodedStream, Part},
    internal::MAX_PIECE_BYTES,
    sse::Notice,
};

/// How many pings in a row are left unanswered before the client is given up. They are sent when
/// nothing else is, and whatever the client sends is an answer.
const MAX_UNANSWERED: u8 = 6;
/// A whole text message.
const TEXT: u8 = 0x81;
/// A ping that says nothing.
const PING: [u8; 2] = [0x89, 0];

/// How many pings in a row were not answered.
#[derive(Debug, Default)]
pub(super) struct Unanswered(Cell<u8>);

impl Unanswered {
    pub(super) fn forget(&self) {
        self.0.set(0);
    }

    fn one_more(&self) -> u8 {
        let pings = self.0.get().saturating_add(1);
        self.0.set(pings);
        pings
    }
}

pub(super) struct Events {
    stream: EncodedStream,
    broadcaster: Broadcaster,
    /// Messages that are due, each a line.
    lines: Bytes,
    /// The reconnection time that the stream said last.
    retry: Option<Duration>,
    /// What is left of the message whose frame has begun.
    message: Bytes,
    pub(super) unanswered: Rc<Unanswered>,
}

impl Events {
    pub(super) fn new(stream: EncodedStream, broadcaster: Broadcaster) -> Self {
        Self {
            stream,
            broadcaster,
            lines: Bytes::new(),
            retry: None,
            message: Bytes::new(),
            unanswered: Rc::default(),
        }
    }

    /// Nothing else may be sent before the rest of it.
    pub(super) fn is_within_message(&self) -> bool {
        !self.message.is_empty()
    }

    pub(super) fn stream(&mut self) -> &mut EncodedStream {
        &mut self.stream
    }

    /// The next piece; an error is why the socket is to be closed.
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, CloseReason>> {
        let mut piece = BytesMut::new();
        loop {
            let room = MAX_PIECE_BYTES.saturating_sub(piece.len());
            let part = self.message.split_to(self.message.len().min(room));
            piece.extend_from_slice(&part);
            if piece.len() >= MAX_PIECE_BYTES {
                break;
            }
            self.message = Bytes::new();
            if let Some(message) = self.next_message() {
                self.begin(message, &mut piece);
                continue;
            }
            match self.stream.poll_part(cx) {
                Poll::Ready(Some(Part::Notice(Notice::Ping, _))) => {
                    if self.unanswered.one_more() > MAX_UNANSWERED {
                        return Poll::Ready(Err(no_answer()));
                    }
                    piece.extend_from_slice(&PING);
                }
                Poll::Ready(Some(part)) => self.take(part),
                Poll::Ready(None) if piece.is_empty() => {
                    return Poll::Ready(Err(self.come_back()));
                }
                Poll::Pending if piece.is_empty() => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(piece.freeze()))
    }

    fn take(&mut self, part: Part) {
        if let Part::Notice(Notice::Retry(after) | Notice::Reconnect { after, .. }, _) = &part {
            self.retry = Some(*after);
        }
        self.lines = part.into_bytes();
    }

    fn next_message(&mut self) -> Option<Bytes> {
        let Some(end) = memchr::memchr(b'\n', &self.lines) else {
            // An empty slice would hold on to the whole.
            self.lines = Bytes::new();
            return None;
        };
        Some(self.lines.split_to(end + 1).slice(..end))
    }

    fn begin(&mut self, message: Bytes, piece: &mut BytesMut) {
        // What it takes tells of a client that is there; one that reads slowly comes to a ping late.
        self.unanswered.forget();
        put_head(message.len(), piece);
        self.message = message;
    }

    /// The stream is cut for its client to come back: as an EventSource would, but for being told in
    /// the reason.
    fn come_back(&self) -> CloseReason {
        let (code, detail) = if self.broadcaster.is_draining() {
            (CloseCode::Restart, "the server restarts")
        } else {
            (CloseCode::Again, "history is out of reach")
        };
        let retry = self
            .retry
            .unwrap_or_else(Broadcaster::spread_retry)
            .as_millis();
        CloseReason {
            code,
            description: Some(format!(r#"{{"retry":{retry},"detail":"{detail}"}}"#)),
        }
    }
}

fn no_answer() -> CloseReason {
    CloseReason {
        code: CloseCode::Policy,
        description: Some(format!("{MAX_UNANSWERED} pings were not answered")),
    }
}

/// The head of a text message's only frame.
fn put_head(length: usize, out: &mut BytesMut) {
    let wide = (length as u64).to_be_bytes();
    out.extend_from_slice(&[TEXT]);
    match length {
        0..=125 => out.extend_from_slice(&wide[7..]),
        126..=0xFFFF => {
            out.extend_from_slice(&[126]);
            out.extend_from_slice(&wide[6..]);
        }
        _ => {
            out.extend_from_slice(&[127]);
            out.extend_from_slice(&wide);
        }
    }
}
