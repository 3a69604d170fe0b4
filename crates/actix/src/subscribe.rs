//! `GET /events`: who gets a stream, what its answer begins with, and the stream as a response body.

use std::{
    convert::Infallible,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    body::{BodySize, MessageBody},
    dev::{RequestHead, ResponseHead},
    http::{
        ConnectionType, Method, StatusCode, Version,
        header::{self, HeaderValue},
    },
    web::Bytes,
};

use super::{
    AppState, access::Seat, cors, error::refused, link::Link, media::accepts_event_stream,
};
use sse_broadcaster::{
    broadcaster::{Broadcaster, Ended, Subscription},
    event::{EventId, Invalid, Selector},
    internal::Shown,
    sse::Frame,
};
use sse_broadcaster_http::{
    EVENT_HEAD, Refusal, STREAM_HEADERS, SignalsRequest, StreamRequest, query,
};
use sse_broadcaster_signals::{SignalError, Signals};

/// The routes that streams have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    Events,
    Signals,
}

/// What a request asks of a stream of its route.
#[derive(Debug)]
pub enum Requested {
    Events(StreamRequest),
    Signals(SignalsRequest),
}

impl Route {
    /// A parameter of a misspelt name would be passed over in silence, and the stream be another one than was
    /// meant.
    ///
    /// # Errors
    /// 400 for a name that resembles a parameter.
    pub fn check_parameters(self, request: &RequestHead) -> Result<(), Refusal> {
        let known = match self {
            Self::Events => &sse_broadcaster_http::PARAMETERS[..],
            Self::Signals => &sse_broadcaster_http::SIGNALS_PARAMETERS,
        };
        let query = request.uri.query().unwrap_or("");
        for (name, _) in query::lossy_pairs(query.as_bytes()) {
            if let Some(meant) = query::misspelt(&name, known) {
                let detail = format!(
                    "{} is no parameter of a stream; write {meant}, and repeat it for several: ?{meant}=a&{meant}=b",
                    Shown(&name)
                );
                let invalid = Invalid::new("unknown_parameter", detail);
                return Err(Refusal::parameter(invalid));
            }
        }
        Ok(())
    }
}

impl Requested {
    fn read(request: &RequestHead, route: Route) -> Result<Self, Refusal> {
        route.check_parameters(request)?;
        match route {
            Route::Events => read(request, StreamRequest::read).map(Self::Events),
            Route::Signals => read(request, SignalsRequest::read).map(Self::Signals),
        }
    }

    fn grant(self, state: &AppState) -> Result<Subscription, Refusal> {
        match self {
            Self::Events(stream_request) => Ok(stream_request.grant(&state.broadcaster)?),
            Self::Signals(stream_request) => grant_signals(&state.signals, stream_request),
        }
    }
}

/// A stream that was granted, whichever door its request came by.
#[derive(Debug)]
pub struct Opened {
    pub subscription: Subscription,
    pub seat: Option<Seat>,
}

/// # Errors
/// 429 for too many streams of one address; 503 while nobody can subscribe.
pub fn grant(request: &RequestHead, state: &AppState, asked: Requested) -> Result<Opened, Refusal> {
    let address = request.peer_addr.map(|address| address.ip());
    let seat = state.gate.admit_address(address)?;
    let subscription = asked.grant(state)?;
    Ok(Opened { subscription, seat })
}

pub(super) fn answer(request: &HttpRequest, state: &AppState, route: Route) -> HttpResponse {
    let mut answer = stream(request, state, route).unwrap_or_else(refused);
    cors::admit_reader(answer.headers_mut(), &state.gate, request.head());
    if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
        // Its connection may be what others lack.
        answer.head_mut().set_connection_type(ConnectionType::Close);
    }
    answer
}

fn stream(request: &HttpRequest, state: &AppState, route: Route) -> Result<HttpResponse, Refusal> {
    let asked = Requested::read(request.head(), route)?;
    if request.method() == Method::HEAD {
        return Ok(head(request, None).finish());
    }
    match grant(request.head(), state, asked) {
        Ok(Opened { subscription, seat }) => {
            let mut head = head(request, Some(subscription.head()));
            Ok(begin(request, &mut head, |link| Body {
                subscription,
                link,
                _seat: seat,
            }))
        }
        Err(problem) => {
            state.broadcaster.count_refused();
            send_away(request, problem)
        }
    }
}

/// An EventSource that is answered 503 stops for good: it gets a stream that tells it when to come
/// back, and is cut.
fn send_away(request: &HttpRequest, problem: Refusal) -> Result<HttpResponse, Refusal> {
    // What can never be granted is no matter of coming back.
    let passes = problem.retry_after().is_some();
    if !passes || !accepts_event_stream(request.headers()) {
        return Err(problem);
    }
    let retry = Some(Frame::come_back(Broadcaster::spread_retry(), None));
    let mut head = head(request, None);
    Ok(begin(request, &mut head, |link| SentAway { retry, link }))
}

/// The stream's answer. HTTP/1.0 knows no chunks: there the connection's end is the body's.
fn begin<B: MessageBody + 'static>(
    request: &HttpRequest,
    head: &mut HttpResponseBuilder,
    body: impl FnOnce(Option<Rc<Link>>) -> B,
) -> HttpResponse {
    let chunked = is_chunked(request.head());
    let link = request.conn_data::<Rc<Link>>().cloned();
    if let Some(link) = &link {
        link.begin_stream(chunked);
    }
    let mut answer = head.body(body(link));
    if !chunked {
        end_with_connection(answer.head_mut());
    }
    answer
}

/// Whether the stream's bytes are framed in chunks.
pub fn is_chunked(request: &RequestHead) -> bool {
    request.version >= Version::HTTP_11
}

pub(super) fn end_with_connection(answer: &mut ResponseHead) {
    answer.no_chunking(true);
    answer.set_connection_type(ConnectionType::Close);
}

/// The same for a stream on a socket of ours: what its answer begins with, and the stream.
///
/// # Errors
/// The refusal, with its status and code.
pub fn open(
    request: &RequestHead,
    state: &AppState,
    route: Route,
) -> Result<(HttpResponse<()>, Opened), Refusal> {
    state.gate.admit_host(request.into())?;
    let opened = grant(request, state, Requested::read(request, route)?)?;
    let mut answer = stream_head(Some(opened.subscription.head())).finish();
    cors::admit_reader(answer.headers_mut(), &state.gate, request);
    if !is_chunked(request) {
        end_with_connection(answer.head_mut());
    }
    Ok((answer.drop_body(), opened))
}

/// What every stream's answer begins with; `at` is history's head.
pub(crate) fn stream_head(at: Option<EventId>) -> HttpResponseBuilder {
    let mut head = HttpResponse::build(StatusCode::OK);
    for header in STREAM_HEADERS {
        head.insert_header(header);
    }
    if let Some(at) = at {
        head.insert_header((EVENT_HEAD, at.to_string()));
    }
    head
}

fn head(request: &HttpRequest, at: Option<EventId>) -> HttpResponseBuilder {
    let mut head = stream_head(at);
    if request.conn_data::<Rc<Link>>().is_none() {
        // Somebody else's server: its compression would be one encoder a stream.
        head.insert_header((header::CONTENT_ENCODING, "identity"));
    }
    head
}

/// A stream of what `selector` admits, begun as the request asks.
pub(crate) fn subscribe_as(
    broadcaster: &Broadcaster,
    request: &HttpRequest,
    selector: Selector,
) -> Result<Subscription, Refusal> {
    let stream_request = read(request.head(), StreamRequest::read)?;
    Ok(stream_request.with_selector(selector).grant(broadcaster)?)
}

/// What the parameters of a stream say; what cannot be is 400, since an `EventSource` has no body.
///
/// # Errors
/// 400, with the code of the parameter.
pub fn read<W>(
    request: &RequestHead,
    read: impl FnOnce(&str, Option<&[u8]>) -> Result<W, Invalid>,
) -> Result<W, Refusal> {
    let id = request.headers.get("last-event-id");
    let query = request.uri.query().unwrap_or("");
    read(query, id.map(HeaderValue::as_bytes)).map_err(Refusal::parameter)
}

/// A stream of the signals that the request names.
pub(crate) fn subscribe_to(
    signals: &Signals,
    request: &HttpRequest,
) -> Result<Subscription, Refusal> {
    grant_signals(signals, read(request.head(), SignalsRequest::read)?)
}

fn grant_signals(
    signals: &Signals,
    stream_request: SignalsRequest,
) -> Result<Subscription, Refusal> {
    stream_request.grant(signals).map_err(|error| match error {
        SignalError::Invalid(invalid) => Refusal::parameter(invalid),
        other => other.into(),
    })
}

/// A subscription as the body of a response. Its end is a cut of the connection, where that is ours;
/// in somebody else's server an error, which does the same after what was written has left.
struct Body {
    subscription: Subscription,
    link: Option<Rc<Link>>,
    _seat: Option<Seat>,
}

impl MessageBody for Body {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let Some(link) = self.link.clone() else {
            let stream = Pin::new(&mut self.subscription);
            let next = futures_util::Stream::poll_next(stream, cx);
            return next.map_err(Into::into);
        };
        match self.subscription.poll_piece(cx) {
            Poll::Ready(Some(bytes)) => {
                link.set_past(self.subscription.is_past());
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

impl Drop for Body {
    fn drop(&mut self) {
        if self.link.as_ref().is_some_and(|link| link.has_stalled()) {
            self.subscription.ends_as(Ended::Stalled);
        }
    }
}

/// When to come back, and the cut.
struct SentAway {
    retry: Option<Bytes>,
    link: Option<Rc<Link>>,
}

impl MessageBody for SentAway {
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
