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

/// The headers that every stream's response begins with.
pub const STREAM_HEADERS: [(&str, &str); 4] = [
    ("content-type", "text/event-stream"),
    ("cache-control", "no-cache, no-transform"),
    ("x-accel-buffering", "no"),
    NO_SNIFF,
];
/// A header of every response: its type is what it is, whatever its first bytes look like to a browser.
pub const NO_SNIFF: (&str, &str) = ("x-content-type-options", "nosniff");
/// The header of a stream that names history's head.
pub const EVENT_HEAD: &str = "event-head";
pub(crate) const EVENT_ID: HeaderName = HeaderName::from_static("event-id");
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

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
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
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
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static(NO_SNIFF.1),
    );
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
    for (name, value) in STREAM_HEADERS {
        let name = HeaderName::from_static(name);
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    if let Some(head) = head {
        insert_id(
            response.headers_mut(),
            HeaderName::from_static(EVENT_HEAD),
            head,
        );
    }
    response
}

pub(crate) fn insert_id(headers: &mut HeaderMap, name: HeaderName, id: impl Display) {
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(name, value);
    }
}
