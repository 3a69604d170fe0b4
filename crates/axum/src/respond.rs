//! Streams as the responses of handlers.

use axum::{
    body::Body,
    http::request::Parts,
    response::{IntoResponse, Response},
};
use sse_broadcaster::{
    broadcaster::{Broadcaster, EncodedStream},
    event::Selector,
};
use sse_broadcaster_access::issuer::Purpose;
use sse_broadcaster_http::{
    Access, AppState, Client, Permit, SignalsRequest, StreamRequest, read_parameters,
    stream_headers,
};
use sse_broadcaster_signals::Signals;

use crate::{head::Head, problem::Problem, response::keep_uncompressed};

/// Opens a stream of the topics of `selector`, for a handler that has checked who may read them. Start and format are
/// parameters of the request, as with `GET /events`: `Last-Event-ID`, `since`, `last`, `format`.
///
/// # Errors
/// 400 for a parameter that is not valid; 503 while no subscription is possible.
pub fn subscribe(
    broadcaster: &Broadcaster,
    request: &Parts,
    selector: Selector,
) -> Result<StreamResponse, Problem> {
    let stream_request = read_parameters(&Head(request), StreamRequest::read)?;
    let stream = stream_request.with_selector(selector).grant(broadcaster)?;
    Ok(StreamResponse(stream))
}

/// Opens a stream of the signals that the request names, as `GET /signals` does: `name`, `format`.
///
/// # Errors
/// 400 for a parameter that is not valid; 503 while no subscription is possible.
pub fn subscribe_to_signals(signals: &Signals, request: &Parts) -> Result<StreamResponse, Problem> {
    let signals_request = read_parameters(&Head(request), SignalsRequest::read)?;
    Ok(StreamResponse(signals_request.grant(signals)?))
}

/// Finds out what the client of a request may read, by the token or session that it sends: for a handler of the
/// application, which passes [`Client::selector`] to [`subscribe`].
///
/// # Errors
/// See [`Authorization::client`](crate::Authorization::client).
pub async fn client(state: &AppState, request: &Parts) -> Result<Client, Problem> {
    let head = Head(request);
    Ok(state
        .authorization
        .client(&head, Purpose::Subscribe)
        .await?)
}

/// Checks whether a request to a route of the application may publish, by the rules of `POST /events`.
///
/// # Errors
/// 401 without a valid key, where keys are needed; 403 for a client or a page that may not publish.
pub fn may_publish(access: &Access, request: &Parts) -> Result<Permit, Problem> {
    Ok(access.may_publish(&Head(request))?)
}

/// A stream as the response of a handler: 200 with `text/event-stream`. When the client disconnects, the stream is
/// dropped, which unsubscribes.
#[derive(Debug)]
pub struct StreamResponse(pub EncodedStream);

impl IntoResponse for StreamResponse {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.headers_mut() = stream_headers(Some(self.0.head()));
        keep_uncompressed(response.headers_mut());
        response.map(|_| Body::from_stream(self.0))
    }
}
