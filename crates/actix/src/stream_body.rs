//! The bodies of streams: an open one, and one that cannot be opened now.

use std::{
    convert::Infallible,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, MessageBody},
    web::Bytes,
};
use sse_broadcaster::broadcaster::{EncodedStream, Ended};
use sse_broadcaster_http::{AddressSlot, OpenedStream, StreamGuard};
use sse_broadcaster_presence::Connection;

use crate::link::Link;

/// A subscription as the body of a response. At its end the connection is cut: by the [`Link`] if the
/// connection is the server's own, else by an error, on which actix cuts the connection once everything has
/// been sent.
pub(crate) struct StreamBody {
    stream: EncodedStream,
    link: Option<Rc<Link>>,
    _slot: Option<AddressSlot>,
    _presence: Option<Box<Connection>>,
    _guard: Option<StreamGuard>,
}

impl StreamBody {
    pub(crate) fn new(opened: OpenedStream, link: Option<Rc<Link>>) -> Self {
        if let Some(link) = &link {
            link.watch_disconnect(opened.stream.disconnect_watch());
        }
        Self {
            stream: opened.stream,
            link,
            _slot: opened.slot,
            _presence: opened.presence,
            _guard: opened.guard,
        }
    }
}

impl MessageBody for StreamBody {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let Some(link) = self.link.clone() else {
            let stream = Pin::new(&mut self.stream);
            let next = futures_util::Stream::poll_next(stream, cx);
            return next.map_err(Into::into);
        };
        match self.stream.poll_piece(cx) {
            Poll::Ready(Some(bytes)) => {
                link.set_replaying(self.stream.is_past());
                Poll::Ready(Some(Ok(bytes)))
            }
            Poll::Ready(None) => {
                link.cut();
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        if self.link.as_ref().is_some_and(|link| link.has_stalled()) {
            self.stream.ends_as(Ended::Stalled);
        }
    }
}

/// The time after which to reconnect, then the cut.
pub(crate) struct ReconnectBody {
    retry: Option<Bytes>,
    link: Option<Rc<Link>>,
}

impl ReconnectBody {
    pub(crate) fn new(retry: Bytes, link: Option<Rc<Link>>) -> Self {
        Self {
            retry: Some(retry),
            link,
        }
    }
}

impl MessageBody for ReconnectBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        match (self.retry.take(), &self.link) {
            (Some(retry), _) => Poll::Ready(Some(Ok(retry))),
            (None, Some(link)) => {
                link.cut();
                Poll::Pending
            }
            (None, None) => Poll::Ready(None),
        }
    }
}
