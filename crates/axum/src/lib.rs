//! A broadcaster inside an axum application: a [`StreamResponse`] from a handler.
//!
//! # What the host must know
//! - `tcp_nodelay(true)` on the listener (`axum::serve::ListenerExt`), or small events wait.
//! - No layer that compresses may stand before streams: it would be one encoder a stream.
//! - At a shutdown call [`Broadcaster::drain`] first: a graceful shutdown waits for open streams.
//! - Streams are served by hyper, which keeps two buffers a connection.

mod problem;

use axum::{
    body::Body,
    http::{HeaderMap, Uri, request::Parts},
    response::{IntoResponse, Response},
};

use sse_broadcaster::{
    broadcaster::{Broadcaster, Subscription},
    event::Selector,
};
use sse_broadcaster_http::{Refusal, SignalsRequest, StreamRequest};
use sse_broadcaster_signals::{SignalError, Signals};

pub use problem::Problem;

/// A stream of what `selector` admits, for a handler that has checked who asks. Where it begins and its
/// form are read from the request, as `GET /events` of the service does: `Last-Event-ID`, `since`,
/// `last`, `format`.
///
/// # Errors
/// See [`Problem`].
pub fn subscribe(
    broadcaster: &Broadcaster,
    request: &Parts,
    selector: Selector,
) -> Result<StreamResponse, Problem> {
    let stream_request = StreamRequest::read(query(&request.uri), last_id(&request.headers))
        .map_err(Refusal::parameter)?;
    Ok(StreamResponse(
        stream_request.with_selector(selector).grant(broadcaster)?,
    ))
}

/// A stream of the signals that the request names, as `GET /signals` of the service does: `name`,
/// `format`.
///
/// # Errors
/// See [`Problem`].
pub fn subscribe_to_signals(signals: &Signals, request: &Parts) -> Result<StreamResponse, Problem> {
    let stream_request = SignalsRequest::read(query(&request.uri), last_id(&request.headers))
        .map_err(Refusal::parameter)?;
    let subscription = stream_request.grant(signals).map_err(|error| match error {
        SignalError::Invalid(invalid) => Refusal::parameter(invalid),
        other => other.into(),
    })?;
    Ok(StreamResponse(subscription))
}

fn query(uri: &Uri) -> &str {
    uri.query().unwrap_or("")
}

fn last_id(headers: &HeaderMap) -> Option<&[u8]> {
    let id = headers.get("last-event-id")?;
    Some(id.as_bytes())
}

/// A stream as the response of a handler: `200` with `text/event-stream`, until the subscription ends.
#[derive(Debug)]
pub struct StreamResponse(pub Subscription);

impl IntoResponse for StreamResponse {
    fn into_response(self) -> Response {
        let at = [(sse_broadcaster_http::EVENT_HEAD, self.0.head().to_string())];
        (
            sse_broadcaster_http::STREAM_HEADERS,
            at,
            Body::from_stream(self.0),
        )
            .into_response()
    }
}
