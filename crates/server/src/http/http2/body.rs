//! The body of a request, as actix reads it.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_http::{Payload, error::PayloadError};
use bytes::Bytes;
use futures_util::Stream;
use h2::RecvStream;

use super::{frames::Frames, wire::WireWatch};

/// Whether the route has begun to read the body.
pub(super) type IsRead = Rc<Cell<bool>>;

/// A body. The client may send more once the route asks for more: what a route has read counts against the budget of
/// uploads.
struct Body {
    received: RecvStream,
    /// How many bytes the route was given last.
    given: usize,
    is_read: IsRead,
    watch: WireWatch,
}

/// The body of a request.
pub(super) fn payload(received: RecvStream, is_read: IsRead, watch: WireWatch) -> Payload {
    if received.is_end_stream() {
        return Payload::None;
    }
    let body = Body {
        received,
        given: 0,
        is_read,
        watch,
    };
    Payload::Stream {
        payload: Box::pin(body),
    }
}

impl Stream for Body {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.is_read.set(true);
        let given = std::mem::take(&mut self.given);
        if given > 0 {
            // An error is the end of the stream, which follows.
            let _ = self.received.flow_control().release_capacity(given);
        }
        let polled = self.received.poll_data(cx);
        if polled.is_pending() && self.watch.has_ended() {
            return Poll::Ready(Some(Err(PayloadError::Incomplete(None))));
        }
        match ready!(polled) {
            Some(Ok(bytes)) => {
                self.given = bytes.len();
                self.watch.with_frames(Frames::read_data);
                Poll::Ready(Some(Ok(bytes)))
            }
            Some(Err(error)) => {
                let error = io::Error::new(io::ErrorKind::ConnectionReset, error);
                Poll::Ready(Some(Err(PayloadError::Incomplete(Some(error)))))
            }
            None => {
                // Nobody asks for trailers. Unread they would be kept until the response is there.
                let _ = self.received.poll_trailers(cx);
                Poll::Ready(None)
            }
        }
    }
}
