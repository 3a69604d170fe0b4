//! Streams: `GET /events` and `GET /signals`.

use bytes::Bytes;
use http::{
    StatusCode, Version,
    header::{self, HeaderValue},
};

use super::{cors, finish::finish_read, joining::Joining};
use crate::{
    AppState, Client, PARAMETERS, Refusal, RequestHead, SIGNALS_PARAMETERS, SignalsRequest,
    StreamRequest,
    accept::accepts_event_stream,
    coding::{insert_coding, of_stream},
    parameters::query,
    peer::peer,
    response::{self, Body, OpenedStream, Response, stream_headers},
};
use sse_broadcaster::{
    broadcaster::{Broadcaster, EncodedStream, Transport},
    event::Invalid,
    internal::Shown,
    sse::{Frame, Notice},
};
use sse_broadcaster_access::{Grants, issuer::Purpose};

/// The kind of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamKind {
    /// Events of topics.
    Events,
    /// Documents of signals, and patches to them.
    Signals,
}

impl StreamKind {
    /// Checks the names of the query parameters. Unknown ones are ignored, so that a misspelt one would silently open
    /// another stream.
    ///
    /// # Errors
    /// 400 `unknown_parameter` for a name that is similar to a parameter.
    pub fn check_parameters(self, request: &impl RequestHead) -> Result<(), Refusal> {
        let known = match self {
            Self::Events => &PARAMETERS[..],
            Self::Signals => &SIGNALS_PARAMETERS,
        };
        for (name, _) in query::lossy_pairs(request.query().as_bytes()) {
            if let Some(meant) = query::misspelt(&name, known) {
                let detail = format!(
                    "{} is not a parameter of a stream; write {meant}, and repeat it for several: ?{meant}=a&{meant}=b",
                    Shown(&name)
                );
                let invalid = Invalid::new("unknown_parameter", detail);
                return Err(Refusal::parameter(invalid));
            }
        }
        Ok(())
    }
}

/// The parameters of either kind of stream.
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

    /// The same by this client, for what it may read.
    fn restricted_to(self, client: &Client) -> Result<Self, Refusal> {
        match self {
            Self::Events(request) => request.restricted_to(client).map(Self::Events),
            Self::Signals(request) => request.restricted_to(client).map(Self::Signals),
        }
    }

    /// Whether the client has all that the stream would ever have.
    fn is_finished(&self, state: &AppState) -> bool {
        match self {
            Self::Events(request) => request.is_finished(&state.broadcaster),
            Self::Signals(_) => false,
        }
    }

    fn grant(
        self,
        request: &impl RequestHead,
        state: &AppState,
        client: &Client,
    ) -> Result<OpenedStream, Refusal> {
        let (transport, joining) = match &self {
            Self::Events(request) => {
                let joining = Joining::new(state, request.selector(), client);
                (Transport::Sse, joining)
            }
            Self::Signals(_) => (Transport::Signals, None),
        };
        let opening = Opening {
            grants: client.grants(),
            transport,
            joining,
        };
        grant(request, state, opening, || match self {
            Self::Events(stream_request) => Ok(stream_request.grant(&state.broadcaster)?),
            Self::Signals(stream_request) => stream_request.grant(&state.signals),
        })
    }
}

/// Whose stream is opened, and how it is served.
#[derive(Debug)]
pub struct Opening<'a> {
    /// The grants of the client.
    pub grants: &'a Grants,
    /// By what it is served.
    pub transport: Transport,
    /// Its topics with presence.
    pub joining: Option<Joining>,
}

/// Subscribes for a request, within the limit of streams per address, and joins the topics with presence.
///
/// # Errors
/// 503 `too_many_subscribers` at that limit; the errors of `subscribe`.
pub fn grant(
    request: &impl RequestHead,
    state: &AppState,
    opening: Opening<'_>,
    subscribe: impl FnOnce() -> Result<EncodedStream, Refusal>,
) -> Result<OpenedStream, Refusal> {
    let slot = state.gate.admit_address(|| state.client_ip(request))?;
    let mut stream = subscribe()?;
    if opening.transport != Transport::WebSocket
        && let Some(coding) = of_stream(request, state)
    {
        stream = stream.compressed(coding);
    }
    if state.broadcaster.options().connections {
        stream.describe(peer(request, state, opening.grants, opening.transport));
    }
    let presence = opening.joining.and_then(Joining::join);
    Ok(OpenedStream {
        stream,
        slot,
        presence,
        guard: None,
    })
}

/// Parses the parameters with `read`, which gets the query and the value of the header `Last-Event-ID`.
///
/// # Errors
/// 400 with the code of the parameter that is not valid.
pub fn read_parameters<P>(
    request: &impl RequestHead,
    read: impl FnOnce(&str, Option<&[u8]>) -> Result<P, Invalid>,
) -> Result<P, Refusal> {
    read(request.query(), request.header("last-event-id")).map_err(Refusal::parameter)
}

pub(super) async fn respond(
    request: &impl RequestHead,
    state: &AppState,
    kind: StreamKind,
) -> Response {
    let response = stream(request, state, kind).await;
    let mut response = finish_read(request, state, response);
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        // Other clients may need the connection.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

async fn stream(
    request: &impl RequestHead,
    state: &AppState,
    kind: StreamKind,
) -> Result<Response, Refusal> {
    let parameters = Parameters::read(request, kind)?;
    let authorized = state.authorization.client(request, Purpose::Subscribe);
    let restricted = authorized.await.and_then(|client| {
        let parameters = parameters.restricted_to(&client)?;
        Ok((parameters, client))
    });
    let (parameters, client) = match restricted {
        Ok(restricted) => restricted,
        Err(refusal) => return reconnect_later(request, refusal),
    };
    if request.method() == "HEAD" {
        let mut response = response::of_stream(None, Body::Empty);
        let coding = of_stream(request, state);
        insert_coding(response.headers_mut(), state, coding.as_deref());
        return Ok(response);
    }
    if parameters.is_finished(state) {
        // An EventSource does not reconnect after it.
        return Ok(response::of(StatusCode::NO_CONTENT, Body::Empty));
    }
    match parameters.grant(request, state, &client) {
        Ok(opened) => {
            let mut headers = stream_headers(Some(opened.stream.head()));
            insert_coding(&mut headers, state, opened.stream.coding());
            let mut response = Response::new(Body::Stream(Box::new(opened)));
            *response.headers_mut() = headers;
            Ok(response)
        }
        Err(refusal) => {
            state.broadcaster.count_refused();
            reconnect_later(request, refusal)
        }
    }
}

/// An `EventSource` that gets 503 never reconnects. So it gets a stream with the time after which to reconnect,
/// which is then cut.
fn reconnect_later(request: &impl RequestHead, refusal: Refusal) -> Result<Response, Refusal> {
    // A refusal that is not temporary is sent as it is.
    let is_temporary = refusal.retry_after().is_some();
    if !is_temporary || !accepts_event_stream(request) {
        return Err(refusal);
    }
    refusal.log();
    let retry: Bytes = Frame::notice(&Notice::Reconnect {
        after: Broadcaster::spread_retry(),
        position: None,
    });
    Ok(response::of_stream(None, Body::Reconnect(retry)))
}

/// Whether the body of a stream is sent in chunks: HTTP/1.0 does not have them.
pub fn is_chunked(request: &impl RequestHead) -> bool {
    request.version() >= Version::HTTP_11
}

/// Opens a stream for a server that writes it to the socket itself: the head of the response, and the stream. `None`
/// where it is refused or finished, or has to wait until it is known what the client may read: [`respond`](super::respond) does
/// both.
pub fn open_stream_now(
    request: &impl RequestHead,
    state: &AppState,
    kind: StreamKind,
) -> Option<(http::Response<()>, OpenedStream)> {
    state.gate.admit_host(request).ok()?;
    let parameters = Parameters::read(request, kind).ok()?;
    let client = state
        .authorization
        .client_now(request, Purpose::Subscribe)?;
    let parameters = parameters.restricted_to(&client).ok()?;
    if parameters.is_finished(state) {
        return None;
    }
    let opened = parameters.grant(request, state, &client).ok()?;
    let mut response = response::of_stream(Some(opened.stream.head()), Body::Empty);
    insert_coding(response.headers_mut(), state, opened.stream.coding());
    cors::admit_reader(response.headers_mut(), &state.gate, request);
    Some((response.map(|_| ()), opened))
}
