//! Responses, independent of the framework that sends them.

use std::{fmt, pin::Pin};

use crate::{
    access::AddressSlot,
    refusal::{NO_STORE, Refusal},
};
use bytes::Bytes;
use futures_util::Stream;
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{self, HeaderMap},
};
use sse_broadcaster::{broadcaster::EncodedStream, history::Unavailable, sse::Position};
use sse_broadcaster_presence::Connection;

/// The value of `X-Content-Type-Options` in every response, so that browsers do not guess another type than
/// `Content-Type` names.
pub const NO_SNIFF: &str = "nosniff";
/// Most headers of a stream's response, with those of CORS.
const MAX_STREAM_HEADERS: usize = 10;

pub(crate) const EVENT_HEAD: HeaderName = HeaderName::from_static("event-head");
pub(crate) const EVENT_ID: HeaderName = HeaderName::from_static("event-id");
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Without it nginx buffers the response.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const NO_SNIFF_VALUE: HeaderValue = HeaderValue::from_static(NO_SNIFF);
const NO_TRANSFORM: HeaderValue = HeaderValue::from_static("no-cache, no-transform");
const UNBUFFERED: HeaderValue = HeaderValue::from_static("no");

/// A response of the routes. The extensions of a refusal hold a [`RefusalNote`]. For a stream, a server sends
/// the head at once and does not buffer the body.
pub type Response = http::Response<Body>;

/// The body of a response. It is exhaustive, so that a crate for a framework cannot miss a kind of body.
pub enum Body {
    /// No body.
    Empty,
    /// The whole body.
    Bytes(Bytes),
    /// A page of history. Each part is read when it is polled. On an error the connection must be cut, so that no
    /// client takes a part for the whole page.
    Page(PageBody),
    /// A stream of events or signals. When it ends, the connection must be cut: a client takes a clean end of
    /// the body for the end of the stream, and may not reconnect.
    Stream(Box<OpenedStream>),
    /// The beginning of a stream that cannot be opened now, with the time after which to reconnect. Then the
    /// connection must be cut. An `EventSource` that gets 503 instead never reconnects.
    Reconnect(Bytes),
}

/// The parts of a page of history, from first to last. It may be dropped at any time.
pub type PageBody = Pin<Box<dyn Stream<Item = Result<Bytes, Unavailable>> + Send>>;

/// An open stream. Dropping it unsubscribes.
#[derive(Debug)]
#[non_exhaustive]
pub struct OpenedStream {
    /// The encoded events.
    pub stream: EncodedStream,
    /// Counts the stream for its address, until it is dropped with the stream.
    pub slot: Option<AddressSlot>,
    /// Counts the stream on its topics with presence, until it is dropped with the stream.
    pub presence: Option<Box<Connection>>,
    /// Dropped with the stream.
    pub guard: Option<StreamGuard>,
}

/// A value that is kept until the end of a stream, to be dropped then.
#[derive(Debug)]
pub struct StreamGuard(#[allow(dead_code, reason = "kept to be dropped")] Box<Box<dyn Kept>>);

/// What a [`StreamGuard`] may keep.
trait Kept: fmt::Debug + Send {}

impl<T: fmt::Debug + Send> Kept for T {}

impl OpenedStream {
    /// The same stream, which keeps this value until it is dropped.
    #[must_use]
    pub fn until_dropped(self, kept: impl fmt::Debug + Send + 'static) -> Self {
        let guard = Some(StreamGuard(Box::new(Box::new(kept))));
        Self { guard, ..self }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Bytes(_) => "Bytes",
            Self::Page(_) => "Page",
            Self::Stream(_) => "Stream",
            Self::Reconnect(_) => "Reconnect",
        })
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Bytes(text.into())
    }
}

/// The code and reason phrase of a refusal, in the extensions of its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusalNote {
    /// The stable code, for example `invalid_topic`.
    pub code: &'static str,
    /// The reason phrase, if it is not that of the status.
    pub reason: Option<&'static str>,
}

/// [Logs](Refusal::log) the refusal.
impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        Self::from(&refusal)
    }
}

/// [Logs](Refusal::log) the refusal.
impl From<&Refusal> for Response {
    fn from(refusal: &Refusal) -> Self {
        refusal.log();
        let mut response = of(refusal.status(), Body::from(refusal.body()));
        for (name, value) in refusal.headers() {
            response.headers_mut().insert(name, value);
        }
        response.extensions_mut().insert(RefusalNote {
            code: refusal.code(),
            reason: refusal.reason(),
        });
        response
    }
}

/// A response that caches must not store.
pub(crate) fn of(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NO_SNIFF_VALUE);
    response
}

/// 200 with a body of this type.
pub(crate) fn with_body(content_type: HeaderValue, body: impl Into<Body>) -> Response {
    let mut response = of(StatusCode::OK, body.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    response
}

/// The response of a stream; `head` is the position of history's last event.
pub(crate) fn of_stream(head: Option<Position>, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.headers_mut() = stream_headers(head);
    response
}

/// The headers of the response of a stream. `head` is the position of history's last event, for `Event-Head`;
/// `None` leaves that header out, as in the response to `HEAD`.
#[must_use]
pub fn stream_headers(head: Option<Position>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(MAX_STREAM_HEADERS);
    headers.insert(header::CONTENT_TYPE, EVENT_STREAM);
    headers.insert(header::CACHE_CONTROL, NO_TRANSFORM);
    headers.insert(ACCEL_BUFFERING, UNBUFFERED);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NO_SNIFF_VALUE);
    if let Some(head) = head {
        insert_id(&mut headers, EVENT_HEAD, &head.to_string());
    }
    headers
}

pub(crate) fn insert_id(headers: &mut HeaderMap, name: HeaderName, id: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(name, value);
    }
}
