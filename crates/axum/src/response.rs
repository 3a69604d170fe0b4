//! A response of the routes as one of axum.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use futures_util::{Stream, StreamExt as _, stream};
use hyper::ext::ReasonPhrase;
use sse_broadcaster::broadcaster::EncodedStream;
use sse_broadcaster_http::{AddressSlot, OpenedStream, RefusalNote, StreamGuard};
use sse_broadcaster_presence::Connection;

const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// The response, as axum sends it.
pub(crate) fn respond(response: sse_broadcaster_http::Response) -> Response {
    use sse_broadcaster_http::Body as From;
    let (mut parts, body) = response.into_parts();
    let is_stream = parts
        .headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|content_type| content_type == "text/event-stream");
    if is_stream {
        keep_uncompressed(&mut parts.headers);
    }
    let note = parts.extensions.get::<RefusalNote>();
    if let Some(reason) = note.and_then(reason_phrase) {
        parts.extensions.insert(reason);
    }
    let body = match body {
        From::Empty => Body::empty(),
        From::Bytes(bytes) => Body::from(bytes),
        From::Page(page) => Body::from_stream(page),
        From::Stream(opened) => Body::from_stream(StreamBody::from(*opened)),
        From::Reconnect(retry) => Body::from_stream(reconnect(retry)),
    };
    Response::from_parts(parts, body)
}

/// A layer that compresses would take an encoder for each stream. One that is compressed already stays so.
pub(crate) fn keep_uncompressed(headers: &mut HeaderMap) {
    headers.entry(header::CONTENT_ENCODING).or_insert(IDENTITY);
}

/// The reason phrase that hyper writes in place of that of the status.
fn reason_phrase(note: &RefusalNote) -> Option<ReasonPhrase> {
    let reason = Bytes::from_static(note.reason?.as_bytes());
    ReasonPhrase::try_from(reason).ok()
}

/// These bytes, then an error, which cuts the connection: an `EventSource` reconnects.
fn reconnect(retry: Bytes) -> impl Stream<Item = Result<Bytes, io::Error>> {
    let cut = io::Error::other("the stream is refused for now");
    stream::iter([Ok(retry), Err(cut)]).fuse()
}

/// A subscription as the body of a response.
struct StreamBody {
    stream: EncodedStream,
    _slot: Option<AddressSlot>,
    _presence: Option<Box<Connection>>,
    _guard: Option<StreamGuard>,
}

impl From<OpenedStream> for StreamBody {
    fn from(opened: OpenedStream) -> Self {
        Self {
            stream: opened.stream,
            _slot: opened.slot,
            _presence: opened.presence,
            _guard: opened.guard,
        }
    }
}

impl Stream for StreamBody {
    type Item = <EncodedStream as Stream>::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.stream).poll_next(cx)
    }
}
