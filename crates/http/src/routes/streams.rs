//! `GET /events` and `GET /signals`: who gets a stream, and what its response begins with.

use bytes::Bytes;
use http::{
    StatusCode, Version,
    header::{self, HeaderValue},
};

use super::{cors, finish::finish_read};
use crate::{
    AppState, PARAMETERS, Refusal, RequestHead, SIGNALS_PARAMETERS, SignalsRequest, StreamRequest,
    accept::accepts_event_stream,
    parameters::query,
    response::{self, Body, OpenedStream, Response},
};
use sse_broadcaster::{
    broadcaster::{Broadcaster, EncodedStream},
    event::Invalid,
    internal::Shown,
    sse::{Frame, Notice},
};

/// What a stream carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamKind {
    /// Events of topics.
    Events,
    /// Documents, and patches of them.
    Signals,
}

impl StreamKind {
    /// Checks the names of the parameters: one that is misspelt would be passed over in silence, and the
    /// stream be another one than was meant.
    ///
    /// # Errors
    /// 400 `unknown_parameter` for a name that resembles a parameter.
    pub fn check_parameters(self, request: &impl RequestHead) -> Result<(), Refusal> {
        let known = match self {
            Self::Events => &PARAMETERS[..],
            Self::Signals => &SIGNALS_PARAMETERS,
        };
        for (name, _) in query::lossy_pairs(request.query().as_bytes()) {
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

/// The parameters of a stream that can be granted.
enum Parameters {
    Events(StreamRequest),
    Signals(SignalsRequest),
}

impl Parameters {
    fn read(request: &impl RequestHead, kind: StreamKind) -> Result<Self, Refusal> {
        kind.check_parameters(request)?;
        match kind {
            StreamKind::Events => read_parameters(request, StreamRequest::read).map(Self::Events),
            StreamKind::Signals => {
                read_parameters(request, SignalsRequest::read).map(Self::Signals)
            }
        }
    }

    fn grant(self, request: &impl RequestHead, state: &AppState) -> Result<OpenedStream, Refusal> {
        grant(request, state, || match self {
            Self::Events(stream_request) => Ok(stream_request.grant(&state.broadcaster)?),
            Self::Signals(stream_request) => stream_request.grant(&state.signals),
        })
    }
}

/// Subscribes for a request, within the bound of its address.
///
/// # Errors
/// 503 for one stream more than its address may have, and while nobody can subscribe.
pub fn grant(
    request: &impl RequestHead,
    state: &AppState,
    subscribe: impl FnOnce() -> Result<EncodedStream, Refusal>,
) -> Result<OpenedStream, Refusal> {
    let slot = state.gate.admit_address(request.peer_ip())?;
    let stream = subscribe()?;
    Ok(OpenedStream { stream, slot })
}

/// Reads the parameters from the query and the header `Last-Event-ID`.
///
/// # Errors
/// 400, with the code of the parameter that cannot be: an `EventSource` has no body.
pub fn read_parameters<P>(
    request: &impl RequestHead,
    read: impl FnOnce(&str, Option<&[u8]>) -> Result<P, Invalid>,
) -> Result<P, Refusal> {
    read(request.query(), request.header("last-event-id")).map_err(Refusal::parameter)
}

pub(super) fn respond(request: &impl RequestHead, state: &AppState, kind: StreamKind) -> Response {
    let mut response = finish_read(request, state, stream(request, state, kind));
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        // Its connection may be what others lack.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

fn stream(
    request: &impl RequestHead,
    state: &AppState,
    kind: StreamKind,
) -> Result<Response, Refusal> {
    let parameters = Parameters::read(request, kind)?;
    if request.method() == "HEAD" {
        return Ok(response::of_stream(None, Body::Empty));
    }
    match parameters.grant(request, state) {
        Ok(opened) => {
            let head = opened.stream.head();
            Ok(response::of_stream(
                Some(head),
                Body::Stream(Box::new(opened)),
            ))
        }
        Err(refusal) => {
            state.broadcaster.count_refused();
            come_back(request, refusal)
        }
    }
}

/// An `EventSource` that gets 503 stops for good: it gets a stream with the time after which to reconnect, and is cut.
fn come_back(request: &impl RequestHead, refusal: Refusal) -> Result<Response, Refusal> {
    // What can never be granted is no matter of coming back.
    let passes = refusal.retry_after().is_some();
    if !passes || !accepts_event_stream(request) {
        return Err(refusal);
    }
    let retry: Bytes = Frame::notice(&Notice::Reconnect {
        after: Broadcaster::spread_retry(),
        position: None,
    });
    Ok(response::of_stream(None, Body::ComeBack(retry)))
}

/// Whether the stream's bytes are framed in chunks: HTTP/1.0 has none.
pub fn is_chunked(request: &impl RequestHead) -> bool {
    request.version() >= Version::HTTP_11
}

/// A stream for a socket that no framework serves: the beginning of the response, and the stream.
///
/// # Errors
/// The refusal, with its status and code.
pub fn open_stream(
    request: &impl RequestHead,
    state: &AppState,
    kind: StreamKind,
) -> Result<(http::Response<()>, OpenedStream), Refusal> {
    state.gate.admit_host(request)?;
    let opened = Parameters::read(request, kind)?.grant(request, state)?;
    let mut response = response::of_stream(Some(opened.stream.head()), Body::Empty);
    cors::admit_reader(response.headers_mut(), &state.gate, request);
    Ok((response.map(|_| ()), opened))
}
