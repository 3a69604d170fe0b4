//! Responses, whichever framework sends them.

use std::{
    fmt::{self, Display},
    pin::Pin,
};

use crate::{access::AddressSlot, refusal::Refusal};
use bytes::Bytes;
use futures_util::Stream;
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{self, HeaderMap},
};
use sse_broadcaster::{broadcaster::EncodedStream, history::Unavailable, sse::Position};

/// The value of `X-Content-Type-Options` in every response: its type is what `Content-Type` names, whatever its
/// first bytes look like to a browser.
pub const NO_SNIFF: &str = "nosniff";
/// How many headers the response of a stream has at most: those of every stream, and those of its page's origin.
const MAX_STREAM_HEADERS: usize = 10;

pub(crate) const EVENT_HEAD: HeaderName = HeaderName::from_static("event-head");
pub(crate) const EVENT_ID: HeaderName = HeaderName::from_static("event-id");
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// nginx would hold back what it proxies.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const NO_SNIFF_VALUE: HeaderValue = HeaderValue::from_static(NO_SNIFF);
const NO_TRANSFORM: HeaderValue = HeaderValue::from_static("no-cache, no-transform");
const UNBUFFERED: HeaderValue = HeaderValue::from_static("no");

/// A response of the routes. Where it refuses, its extensions hold a [`RefusalNote`].
pub type Response = http::Response<Body>;

/// The body of a response.
pub enum Body {
    /// None.
    Empty,
    /// All of it.
    Bytes(Bytes),
    /// A page of history, each part read when the one before has been sent. An error cuts the connection, so
    /// that no client takes what it has for the whole.
    Page(PageBody),
    /// A stream of events or signals, until its subscription ends.
    Stream(Box<OpenedStream>),
    /// The beginning of a stream, with the time after which to reconnect, behind which the connection is cut: an
    /// `EventSource` that gets 503 stops for good.
    ComeBack(Bytes),
}

/// The parts of a page of history.
pub type PageBody = Pin<Box<dyn Stream<Item = Result<Bytes, Unavailable>> + Send>>;

/// A stream that was granted.
#[derive(Debug)]
pub struct OpenedStream {
    /// What is sent.
    pub stream: EncodedStream,
    /// To be held until the stream ends.
    pub slot: Option<AddressSlot>,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Bytes(_) => "Bytes",
            Self::Page(_) => "Page",
            Self::Stream(_) => "Stream",
            Self::ComeBack(_) => "ComeBack",
        })
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Bytes(text.into())
    }
}

/// The code and reason phrase of a response that refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusalNote {
    /// The stable code.
    pub code: &'static str,
    /// The reason phrase, where it is another than the status has.
    pub reason: Option<&'static str>,
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        Self::from(&refusal)
    }
}

impl From<&Refusal> for Response {
    fn from(refusal: &Refusal) -> Self {
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

/// A response that no cache may keep.
pub(crate) fn of(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NO_SNIFF_VALUE);
    response
}

/// The same with a body of this type.
pub(crate) fn with_body(content_type: HeaderValue, body: impl Into<Body>) -> Response {
    let mut response = of(StatusCode::OK, body.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    response
}

/// The response of a stream; `head` is history's.
pub(crate) fn of_stream(head: Option<Position>, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.headers_mut() = stream_headers(head);
    response
}

/// The headers of the response of a stream; `head` is history's, which `HEAD` requests are not told.
#[must_use]
pub fn stream_headers(head: Option<Position>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(MAX_STREAM_HEADERS);
    headers.insert(header::CONTENT_TYPE, EVENT_STREAM);
    headers.insert(header::CACHE_CONTROL, NO_TRANSFORM);
    headers.insert(ACCEL_BUFFERING, UNBUFFERED);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NO_SNIFF_VALUE);
    if let Some(head) = head {
        insert_id(&mut headers, EVENT_HEAD, head);
    }
    headers
}

pub(crate) fn insert_id(headers: &mut HeaderMap, name: HeaderName, id: impl Display) {
    if let Ok(value) = HeaderValue::try_from(id.to_string()) {
        headers.insert(name, value);
    }
}
