//! Streams as the responses of handlers.

use actix_web::{
    HttpRequest, HttpResponse, Responder,
    body::{BodyStream, BoxBody},
    http::header,
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

use crate::{error::Problem, head::Head, headers, routes::Routes};

/// The routes of this broadcaster, for `App::configure(|config| routes.configure(config))`: for reading only.
/// [`Routes::new`] takes who may publish.
#[must_use]
pub fn routes(broadcaster: &Broadcaster) -> Routes {
    Routes::new(broadcaster)
}

/// Opens a stream of the topics of `selector`, for a handler that has checked who may read them. Start and format are
/// parameters of the request, as with `GET /events`: `Last-Event-ID`, `since`, `last`, `format`.
///
/// # Errors
/// 400 for a parameter that is not valid; 503 while no subscription is possible.
pub fn subscribe(
    broadcaster: &Broadcaster,
    request: &HttpRequest,
    selector: Selector,
) -> Result<StreamResponse, Problem> {
    actix_web::rt::spawn(broadcaster.attend());
    let stream_request = read_parameters(&Head::from(request), StreamRequest::read)?;
    let stream = stream_request.with_selector(selector).grant(broadcaster)?;
    Ok(StreamResponse(stream))
}

/// Opens a stream of the signals that the request names, as `GET /signals` does: `name`, `format`.
///
/// # Errors
/// 400 for a parameter that is not valid; 503 while no subscription is possible.
pub fn subscribe_to_signals(
    signals: &Signals,
    request: &HttpRequest,
) -> Result<StreamResponse, Problem> {
    actix_web::rt::spawn(signals.broadcaster().attend());
    let signals_request = read_parameters(&Head::from(request), SignalsRequest::read)?;
    Ok(StreamResponse(signals_request.grant(signals)?))
}

/// Finds out what the client of a request may read, by the token or session that it sends: for a handler of the
/// application, which passes [`Client::selector`] to [`subscribe`].
///
/// # Errors
/// See [`Authorization::client`](crate::Authorization::client).
pub async fn client(state: &AppState, request: &HttpRequest) -> Result<Client, Problem> {
    let head = Head::from(request);
    Ok(state
        .authorization
        .client(&head, Purpose::Subscribe)
        .await?)
}

/// Checks whether a request to a route of the application may publish, by the rules of `POST /events`.
///
/// # Errors
/// 401 without a valid key, where keys are needed; 403 for a client or a page that may not publish.
pub fn may_publish(access: &Access, request: &HttpRequest) -> Result<Permit, Problem> {
    Ok(access.may_publish(&Head::from(request))?)
}

/// A stream as the response of a handler: 200 with `text/event-stream`. When the client disconnects, the stream is
/// dropped, which unsubscribes.
#[derive(Debug)]
pub struct StreamResponse(pub EncodedStream);

impl Responder for StreamResponse {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        for (name, value) in &stream_headers(Some(self.0.head())) {
            if let Some(header) = headers::convert(name, value) {
                response.insert_header(header);
            }
        }
        response
            .insert_header((header::CONTENT_ENCODING, "identity"))
            .body(BodyStream::new(self.0))
    }
}
