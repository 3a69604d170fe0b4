//! What a client sends, as whole messages within a bound.

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

/// What a client may offer as `Sec-WebSocket-Protocol`; browsers close a socket whose offers were all left
/// without an answer.
const PROTOCOLS: [&str; 2] = ["sse-broadcaster.v1", "sse-broadcaster"];

/// What a client said.
pub(super) enum Heard {
    /// In UTF-8.
    Text(Bytes),
    Ping(Bytes),
    Pong,
    /// It takes its leave.
    Close(Option<CloseReason>),
    /// What is refused by closing.
    Wrong(CloseReason),
    /// Nothing, and never will: the connection is gone.
    Gone,
}

pub(super) struct Incoming {
    messages: MessageStream,
    max: usize,
    /// What has come of a message that is sent in parts. Joined as they come: kept one by one, those of
    /// a byte each would take many times their length.
    begun: BytesMut,
    /// What has come of messages that were not answered yet.
    upload: Rc<RefCell<Upload>>,
}

impl Incoming {
    /// Shakes hands; messages are of `max` bytes at most.
    pub(super) fn open(
        request: &HttpRequest,
        body: Payload,
        max: usize,
        uploads: &Arc<Uploads>,
    ) -> Result<(HttpResponse, Session, Self), Error> {
        let upload = Rc::new(RefCell::new(Upload::begin(uploads)));
        let body = bounded(request, body, max, Rc::clone(&upload))?;
        let (answer, session, messages) =
            actix_ws::handle_with_protocols(request, body, &PROTOCOLS)?;
        let incoming = Self {
            messages: messages.max_frame_size(max),
            max,
            begun: BytesMut::new(),
            upload,
        };
        Ok((answer, session, incoming))
    }

    /// May be dropped and called again without a loss.
    pub(super) async fn next(&mut self) -> Heard {
        // What came before has been answered.
        let released = self.upload.borrow_mut().hold(self.begun.len());
        debug_assert!(released.is_ok(), "less than before");
        loop {
            let Ok(received) = timeout(PART_TIMEOUT, self.messages.recv()).await else {
                if self.upload.borrow_mut().is_overdue() {
                    let detail = "the rest of the message did not come in time";
                    return wrong(CloseCode::Policy, detail);
                }
                continue;
            };
            let heard = match received {
                Some(Ok(message)) => self.take(message),
                Some(Err(error)) => Some(self.judge(&error)),
                None => Some(Heard::Gone),
            };
            if let Some(heard) = heard {
                return heard;
            }
        }
    }

    /// Passes over whatever comes, until nothing will.
    pub(super) async fn ended(&mut self) {
        while !matches!(
            self.next().await,
            Heard::Close(_) | Heard::Wrong(_) | Heard::Gone
        ) {}
    }

    fn take(&mut self, message: Message) -> Option<Heard> {
        match message {
            Message::Text(text) => Some(Heard::Text(text.into_bytes())),
            Message::Continuation(Item::FirstText(part) | Item::Continue(part)) => {
                self.add(&part).err()
            }
            Message::Continuation(Item::Last(part)) => Some(self.finish(&part)),
            Message::Binary(_) | Message::Continuation(Item::FirstBinary(_)) => {
                let detail = "a message is text: the JSON that POST /events takes";
                Some(wrong(CloseCode::Unsupported, detail))
            }
            Message::Ping(payload) => Some(Heard::Ping(payload)),
            Message::Pong(_) => Some(Heard::Pong),
            Message::Close(reason) => Some(Heard::Close(reason)),
            Message::Nop => None,
        }
    }

    fn add(&mut self, part: &[u8]) -> Result<(), Heard> {
        if self.begun.len() + part.len() > self.max {
            self.begun = BytesMut::new();
            return Err(self.too_long());
        }
        self.begun.extend_from_slice(part);
        Ok(())
    }

    fn finish(&mut self, part: &[u8]) -> Heard {
        if let Err(wrong) = self.add(part) {
            return wrong;
        }
        let whole = std::mem::take(&mut self.begun).freeze();
        match std::str::from_utf8(&whole) {
            Ok(_) => Heard::Text(whole),
            Err(_) => not_utf8(),
        }
    }

    fn judge(&self, error: &ProtocolError) -> Heard {
        let ProtocolError::Io(error) = error else {
            return match error {
                ProtocolError::Overflow => self.too_long(),
                error => wrong(CloseCode::Protocol, error.to_string()),
            };
        };
        let source = error.get_ref();
        let overflow = source.and_then(|source| source.downcast_ref::<PayloadError>());
        if matches!(overflow, Some(PayloadError::Overflow)) {
            self.too_long()
        } else if matches!(overflow, Some(PayloadError::Io(error)) if error.kind() == OutOfMemory) {
            let detail = "messages hold as many bytes as allowed; try again in a moment";
            wrong(CloseCode::Again, detail)
        } else if source
            .and_then(|source| source.downcast_ref::<Utf8Error>())
            .is_some()
        {
            not_utf8()
        } else if error.kind() == std::io::ErrorKind::InvalidData {
            wrong(CloseCode::Protocol, error.to_string())
        } else {
            Heard::Gone
        }
    }

    fn too_long(&self) -> Heard {
        let detail = format!("a message is of {} bytes at most", self.max);
        wrong(CloseCode::Size, detail)
    }
}

fn not_utf8() -> Heard {
    wrong(CloseCode::Invalid, "text is not valid UTF-8")
}

fn wrong(code: CloseCode, detail: impl Into<String>) -> Heard {
    Heard::Wrong(CloseReason {
        code,
        description: Some(detail.into()),
    })
}
