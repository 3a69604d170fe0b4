//! A socket as the body of the response to its handshake: events, and responses to the client's messages.

use std::{
    convert::Infallible,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    web::Bytes,
};
use actix_ws::CloseReason;
use tokio::sync::oneshot;

use super::{
    events::Events,
    handler::{Client, Ending},
};
use sse_broadcaster::broadcaster::Ended;
use sse_broadcaster_actix::internal::Link;
use sse_broadcaster_http::AddressSlot;
use sse_broadcaster_presence::Connection;

/// Polled only when there is room to write: the messages of a client that does not read are not read either, so that
/// nothing accumulates for it.
pub(super) struct Socket {
    events: Events,
    handler: Handler,
    /// Responses, pongs and the close; `None` after the close.
    replies: Option<BoxBody>,
    /// Has the handler close the socket; `None` once there are no more events.
    close: Option<oneshot::Sender<CloseReason>>,
    link: Option<Rc<Link>>,
    _guards: Guards,
}

/// Count the stream for its address and on its topics, until they are dropped.
type Guards = (Option<AddressSlot>, Option<Box<Connection>>);

/// Handles the messages of the client.
enum Handler {
    Running(Pin<Box<dyn Future<Output = Ending>>>),
    Done(Ending),
}

impl Socket {
    pub(super) fn open(
        events: Events,
        client: Client,
        replies: BoxBody,
        link: Option<Rc<Link>>,
        guards: Guards,
    ) -> Self {
        let (close, closed) = oneshot::channel();
        let handler = client.handle_messages(Rc::clone(&events.unanswered), closed);
        Self {
            events,
            handler: Handler::Running(Box::pin(handler)),
            replies: Some(replies),
            close: Some(close),
            link,
            _guards: guards,
        }
    }

    /// Everything has been sent. The connection lingers if the body ends.
    fn poll_end<T>(&self) -> Poll<Option<T>> {
        match (&self.handler, &self.link) {
            (Handler::Running(_), _) => Poll::Pending,
            (Handler::Done(Ending::Cut), Some(link)) => {
                link.cut();
                Poll::Pending
            }
            (Handler::Done(_), _) => Poll::Ready(None),
        }
    }

    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        if let Handler::Running(handler) = &mut self.handler
            && let Poll::Ready(ending) = handler.as_mut().poll(cx)
        {
            self.handler = Handler::Done(ending);
        }
        match Pin::new(self.replies.as_mut()?).poll_next(cx) {
            Poll::Ready(Some(Ok(reply))) => return Some(reply),
            Poll::Ready(Some(Err(_)) | None) => self.replies = None,
            Poll::Pending => {}
        }
        None
    }
}

impl MessageBody for Socket {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let this = &mut *self;
        if !this.events.is_within_message() {
            if let Some(reply) = this.poll_reply(cx) {
                return Poll::Ready(Some(Ok(reply)));
            }
            if this.replies.is_none() {
                return this.poll_end();
            }
        }
        if this.close.is_none() {
            return Poll::Pending;
        }
        if this
            .link
            .as_ref()
            .is_some_and(|link| link.is_unacknowledged())
        {
            // Pings wait behind what the client has not read yet.
            this.events.unanswered.reset();
        }
        match this.events.poll_piece(cx) {
            Poll::Ready(Ok(piece)) => {
                if let Some(link) = &this.link {
                    link.set_replaying(this.events.stream().is_past());
                }
                return Poll::Ready(Some(Ok(piece)));
            }
            Poll::Ready(Err(reason)) => {
                let close = this.close.take();
                // It fails if the handler is done already.
                let _ = close.map(|close| close.send(reason));
            }
            Poll::Pending => {}
        }
        Poll::Pending
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.link.as_ref().is_some_and(|link| link.has_stalled()) {
            self.events.stream().ends_as(Ended::Stalled);
        }
    }
}
