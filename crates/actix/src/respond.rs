//! Streams as the responses of handlers.

use actix_web::{
    HttpRequest, HttpResponse, Responder,
    body::{BodyStream, BoxBody},
};

use crate::{Problem, Routes, stream_head};
use sse_broadcaster::{
    broadcaster::{Broadcaster, Subscription},
    event::Selector,
};
use sse_broadcaster_signals::Signals;

/// `/events` and `/signals`, for `App::configure(|config| routes.configure(config))`: reading alone, until
/// [`Routes::with`] says who may publish.
#[must_use]
pub fn routes(broadcaster: &Broadcaster) -> Routes {
    Routes::new(broadcaster)
}

/// A stream of what `selector` admits, for a handler that has checked who asks. Where it begins and
/// its form are read from the request, as `GET /events` does: `Last-Event-ID`, `since`, `last`,
/// `format`.
///
/// # Errors
/// 400 for a parameter that cannot be; 503 when nobody can subscribe now.
pub fn subscribe(
    broadcaster: &Broadcaster,
    request: &HttpRequest,
    selector: Selector,
) -> Result<StreamResponse, Problem> {
    actix_web::rt::spawn(broadcaster.attend());
    let subscription = crate::subscribe_as(broadcaster, request, selector)?;
    Ok(StreamResponse(subscription))
}

/// A stream of the signals that the request names, as `GET /signals` answers it: `name`, `format`.
///
/// # Errors
/// 400 for a parameter that cannot be; 503 when nobody can subscribe now.
pub fn subscribe_to_signals(
    signals: &Signals,
    request: &HttpRequest,
) -> Result<StreamResponse, Problem> {
    actix_web::rt::spawn(signals.broadcaster().attend());
    Ok(StreamResponse(crate::subscribe_to(signals, request)?))
}

/// A stream as the response of a handler: `200` with `text/event-stream`, until the subscription ends.
#[derive(Debug)]
pub struct StreamResponse(pub Subscription);

impl Responder for StreamResponse {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        stream_head(Some(self.0.head()))
            .insert_header(("content-encoding", "identity"))
            .body(BodyStream::new(self.0))
    }
}
