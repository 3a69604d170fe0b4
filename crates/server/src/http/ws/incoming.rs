//! Reads the frames of a client as whole messages of a bounded length.

use std::{cell::RefCell, io::ErrorKind::OutOfMemory, rc::Rc, str::Utf8Error, sync::Arc};

use actix_web::{
    Error, HttpRequest, HttpResponse,
    error::PayloadError,
    web::{Bytes, BytesMut, Payload},
};
use actix_ws::{CloseCode, CloseReason, Item, Message, MessageStream, ProtocolError, Session};

use tokio::time::timeout;

use super::lengths::bounded;
use sse_broadcaster_http::{PART_TIMEOUT, Upload, Uploads};

/// The subprotocols that a client may offer by `Sec-WebSocket-Protocol`. Browsers close a socket if the server
/// accepts none of those offered.
const PROTOCOLS: [&str; 2] = ["sse-broadcaster.v1", "sse-broadcaster"];

/// What was received from a client.
pub(super) enum Received {
    /// A message in UTF-8.
    Text(Bytes),
    Ping(Bytes),
    Pong,
    Close(Option<CloseReason>),
    /// Something for which the socket is closed with this reason.
    Invalid(CloseReason),
    /// The connection has ended without a close.
    Disconnected,
}

pub(super) struct Incoming {
    messages: MessageStream,
    max: usize,
    /// The received parts of a message that is not complete, joined: parts of a byte each would take many times their
    /// length.
    begun: BytesMut,
    /// Counts the bytes of messages that have no response yet.
    upload: Rc<RefCell<Upload>>,
}

impl Incoming {
    /// Accepts the handshake; messages may have at most `max` bytes.
    pub(super) fn open(
        request: &HttpRequest,
        body: Payload,
        max: usize,
        uploads: &Arc<Uploads>,
    ) -> Result<(HttpResponse, Session, Self), Error> {
        let upload = Rc::new(RefCell::new(Upload::begin(uploads)));
        let body = bounded(request, body, max, Rc::clone(&upload))?;
        let (response, session, messages) =
            actix_ws::handle_with_protocols(request, body, &PROTOCOLS)?;
        let incoming = Self {
            messages: messages.max_frame_size(max),
            max,
            begun: BytesMut::new(),
            upload,
        };
        Ok((response, session, incoming))
    }

    /// The next message. The future may be dropped and called again without losing anything.
    pub(super) async fn next(&mut self) -> Received {
        // Earlier messages have had their responses.
        let released = self.upload.borrow_mut().hold(self.begun.len());
        debug_assert!(released.is_ok(), "it is less than before");
        loop {
            let Ok(received) = timeout(PART_TIMEOUT, self.messages.recv()).await else {
                if self.upload.borrow_mut().is_overdue() {
                    let detail = "the rest of the message did not arrive in time";
                    return invalid(CloseCode::Policy, detail);
                }
                continue;
            };
            let received = match received {
                Some(Ok(message)) => self.add_message(message),
                Some(Err(error)) => Some(self.on_error(&error)),
                None => Some(Received::Disconnected),
            };
            if let Some(received) = received {
                return received;
            }
        }
    }

    /// Discards messages until the client closes the socket or the connection ends.
    pub(super) async fn discard_until_end(&mut self) {
        while !matches!(
            self.next().await,
            Received::Close(_) | Received::Invalid(_) | Received::Disconnected
        ) {}
    }

    /// `None` for a message that is not complete.
    fn add_message(&mut self, message: Message) -> Option<Received> {
        match message {
            Message::Text(text) => Some(Received::Text(text.into_bytes())),
            Message::Continuation(Item::FirstText(part) | Item::Continue(part)) => {
                self.add_part(&part).err()
            }
            Message::Continuation(Item::Last(part)) => Some(self.finish_message(&part)),
            Message::Binary(_) | Message::Continuation(Item::FirstBinary(_)) => {
                let detail = "a message is text: JSON as for POST /events";
                Some(invalid(CloseCode::Unsupported, detail))
            }
            Message::Ping(payload) => Some(Received::Ping(payload)),
            Message::Pong(_) => Some(Received::Pong),
            Message::Close(reason) => Some(Received::Close(reason)),
            Message::Nop => None,
        }
    }

    fn add_part(&mut self, part: &[u8]) -> Result<(), Received> {
        if self.begun.len() + part.len() > self.max {
            self.begun = BytesMut::new();
            return Err(self.too_long());
        }
        self.begun.extend_from_slice(part);
        Ok(())
    }

    fn finish_message(&mut self, part: &[u8]) -> Received {
        if let Err(too_long) = self.add_part(part) {
            return too_long;
        }
        let whole = std::mem::take(&mut self.begun).freeze();
        match std::str::from_utf8(&whole) {
            Ok(_) => Received::Text(whole),
            Err(_) => not_utf8(),
        }
    }

    fn on_error(&self, error: &ProtocolError) -> Received {
        let ProtocolError::Io(error) = error else {
            return match error {
                ProtocolError::Overflow => self.too_long(),
                error => invalid(CloseCode::Protocol, error.to_string()),
            };
        };
        let source = error.get_ref();
        let payload_error = source.and_then(|source| source.downcast_ref::<PayloadError>());
        if matches!(payload_error, Some(PayloadError::Overflow)) {
            self.too_long()
        } else if matches!(payload_error, Some(PayloadError::Io(error)) if error.kind() == OutOfMemory)
        {
            let detail = "messages use as much memory as allowed; try again in a moment";
            invalid(CloseCode::Again, detail)
        } else if source
            .and_then(|source| source.downcast_ref::<Utf8Error>())
            .is_some()
        {
            not_utf8()
        } else if error.kind() == std::io::ErrorKind::InvalidData {
            invalid(CloseCode::Protocol, error.to_string())
        } else {
            Received::Disconnected
        }
    }

    fn too_long(&self) -> Received {
        let detail = format!("a message has at most {} bytes", self.max);
        invalid(CloseCode::Size, detail)
    }
}

fn not_utf8() -> Received {
    invalid(CloseCode::Invalid, "text is not valid UTF-8")
}

fn invalid(code: CloseCode, detail: impl Into<String>) -> Received {
    Received::Invalid(CloseReason {
        code,
        description: Some(detail.into()),
    })
}
