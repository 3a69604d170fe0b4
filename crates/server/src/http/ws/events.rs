//! The events of a socket as frames, in pieces of a bounded length.

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

/// How many pings in a row a client may leave unanswered before the socket is closed. Pings are sent when
/// nothing else is; anything that the client sends counts as an answer.
const MAX_UNANSWERED: u8 = 6;
/// The close code "Unauthorized" of IANA's registry.
const UNAUTHORIZED: u16 = 3000;
/// The first byte of a text message in one frame.
const TEXT: u8 = 0x81;
/// A ping without a payload.
const PING: [u8; 2] = [0x89, 0];

/// How many pings in a row have not been answered.
#[derive(Debug, Default)]
pub(super) struct UnansweredPings(Cell<u8>);

impl UnansweredPings {
    pub(super) fn reset(&self) {
        self.0.set(0);
    }

    fn increment(&self) -> u8 {
        let pings = self.0.get().saturating_add(1);
        self.0.set(pings);
        pings
    }
}

pub(super) struct Events {
    stream: EncodedStream,
    broadcaster: Broadcaster,
    /// Encoded messages, each a line.
    lines: Bytes,
    /// The last reconnection time of the stream.
    retry: Option<Duration>,
    /// Its end came with that time: it is not that the grant has ended.
    ends_with_retry: bool,
    /// The rest of the message whose frame has begun.
    message: Bytes,
    pub(super) unanswered: Rc<UnansweredPings>,
}

impl Events {
    pub(super) fn new(stream: EncodedStream, broadcaster: Broadcaster) -> Self {
        Self {
            stream,
            broadcaster,
            lines: Bytes::new(),
            retry: None,
            ends_with_retry: false,
            message: Bytes::new(),
            unanswered: Rc::default(),
        }
    }

    /// Whether a frame has begun, so that nothing else may be sent before its rest.
    pub(super) fn is_within_message(&self) -> bool {
        !self.message.is_empty()
    }

    pub(super) fn stream(&mut self) -> &mut EncodedStream {
        &mut self.stream
    }

    /// The next piece, or the reason for which the socket is to be closed.
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
                self.begin_message(message, &mut piece);
                continue;
            }
            match self.stream.poll_part(cx) {
                Poll::Ready(Some(Part::Notice(Notice::Ping, _))) => {
                    if self.unanswered.increment() > MAX_UNANSWERED {
                        return Poll::Ready(Err(no_pong()));
                    }
                    piece.extend_from_slice(&PING);
                }
                Poll::Ready(Some(part)) => self.set_lines(part),
                Poll::Ready(None) if piece.is_empty() => {
                    return Poll::Ready(Err(self.reconnect_reason()));
                }
                Poll::Pending if piece.is_empty() => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(piece.freeze()))
    }

    fn set_lines(&mut self, part: Part) {
        if let Part::Notice(Notice::Retry(after) | Notice::Reconnect { after, .. }, _) = &part {
            self.retry = Some(*after);
            self.ends_with_retry = matches!(&part, Part::Notice(Notice::Reconnect { .. }, _));
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

    fn begin_message(&mut self, message: Bytes, piece: &mut BytesMut) {
        // A client that reads is there, and a slow one reads a ping late.
        self.unanswered.reset();
        put_head(message.len(), piece);
        self.message = message;
    }

    /// The stream has been cut, and the client should reconnect unless its topics are finished. An `EventSource` does so
    /// by itself; other clients find the reconnection time in the reason.
    fn reconnect_reason(&self) -> CloseReason {
        let (code, detail) = if self.stream.is_finished() {
            (CloseCode::Normal, "all topics are finished")
        } else if self.broadcaster.is_draining() {
            (CloseCode::Restart, "the server restarts")
        } else if self.stream.is_disconnected() {
            (CloseCode::Again, "an operator has ended the connection")
        } else if self.ends_with_retry {
            (CloseCode::Again, "history is unreachable")
        } else {
            let code = CloseCode::Other(UNAUTHORIZED);
            (code, "the grant has ended; connect with a new one")
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

fn no_pong() -> CloseReason {
    CloseReason {
        code: CloseCode::Policy,
        description: Some(format!("{MAX_UNANSWERED} pings were not answered")),
    }
}

/// Writes the head of a text message in one frame.
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
