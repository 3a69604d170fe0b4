//! A socket as the body of its handshake's answer: events, and answers to what its client says.

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
use actix_ws::{CloseReason, Session};
use tokio::sync::oneshot;

use super::{
    conversation::{Ending, converse},
    events::Events,
    incoming::Incoming,
    publish::Publisher,
};
use sse_broadcaster::broadcaster::Ended;
use sse_broadcaster_actix::internal::Link;
use sse_broadcaster_http::AddressSlot;

/// Asked for more only when there is room for it, so that one that does not read is not listened to
/// either, and nothing piles up for it.
pub(super) struct Socket {
    events: Events,
    conversation: Conversation,
    /// What the conversation has said; `None` behind its last word, which is the close.
    replies: Option<BoxBody>,
    /// To have the conversation close; `None` once there are no more events.
    parting: Option<oneshot::Sender<CloseReason>>,
    link: Option<Rc<Link>>,
    _slot: Option<AddressSlot>,
}

enum Conversation {
    Going(Pin<Box<dyn Future<Output = Ending>>>),
    Over(Ending),
}

impl Socket {
    pub(super) fn open(
        events: Events,
        said: (Incoming, Session, Publisher),
        replies: BoxBody,
        link: Option<Rc<Link>>,
        slot: Option<AddressSlot>,
    ) -> Self {
        let (parting, parted) = oneshot::channel();
        let conversation = converse(said, Rc::clone(&events.unanswered), parted);
        Self {
            events,
            conversation: Conversation::Going(Box::pin(conversation)),
            replies: Some(replies),
            parting: Some(parting),
            link,
            _slot: slot,
        }
    }

    /// Everything has been said. A body that ends has its connection linger.
    fn poll_end<T>(&self) -> Poll<Option<T>> {
        match (&self.conversation, &self.link) {
            (Conversation::Going(_), _) => Poll::Pending,
            (Conversation::Over(Ending::Cut), Some(link)) => {
                link.cut();
                Poll::Pending
            }
            (Conversation::Over(_), _) => Poll::Ready(None),
        }
    }

    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        if let Conversation::Going(conversation) = &mut self.conversation
            && let Poll::Ready(ending) = conversation.as_mut().poll(cx)
        {
            self.conversation = Conversation::Over(ending);
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
        if this.parting.is_none() {
            return Poll::Pending;
        }
        if this
            .link
            .as_ref()
            .is_some_and(|link| link.is_unacknowledged())
        {
            // Pings wait behind what the client has not read yet.
            this.events.unanswered.forget();
        }
        match this.events.poll_piece(cx) {
            Poll::Ready(Ok(piece)) => {
                if let Some(link) = &this.link {
                    link.set_past(this.events.stream().is_past());
                }
                return Poll::Ready(Some(Ok(piece)));
            }
            Poll::Ready(Err(reason)) => {
                let parting = this.parting.take();
                // Where nobody listens the conversation is over already.
                let _ = parting.map(|parting| parting.send(reason));
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
