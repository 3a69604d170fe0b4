//! A broadcaster inside an actix-web application of one's own: routes to mount, or a
//! [`Subscription`] as the answer of a handler of one's own.
//!
//! # What the host must know
//! - `HttpServer::h1_allow_half_closed(false)`, or a client that closes is noticed at the next ping
//!   only; `tcp_nodelay(true)`, or small events wait.
//! - A `Compress` middleware leaves streams alone: they say `content-encoding: identity`.
//! - At a shutdown call [`Broadcaster::drain`] first, or actix waits for open streams.
//! - actix's own connections buffer what a client sends behind an open stream, and look at it again
//!   and again: a client that does so costs a core. The binary's server has connections of its own
//!   against that.

use actix_web::{
    HttpRequest, HttpResponse, Responder, ResponseError,
    body::{BodyStream, BoxBody},
    http::StatusCode,
};

use crate::{
    broadcaster::{Broadcaster, PublishError, SubscribeError, Subscription},
    event::{Invalid, Selector},
    history::Unavailable,
    http::stream_head,
    signals::{SignalError, Signals},
};

pub use crate::http::{Access, KeyRing, Problem, Publishers, Replaced, Routes, UploadLimits};

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
) -> Result<Subscription, Problem> {
    actix_web::rt::spawn(broadcaster.attend());
    crate::http::subscribe_as(broadcaster, request, selector)
}

/// A stream of the signals that the request names, as `GET /signals` answers it: `name`, `format`.
///
/// # Errors
/// 400 for a parameter that cannot be; 503 when nobody can subscribe now.
pub fn subscribe_to_signals(
    signals: &Signals,
    request: &HttpRequest,
) -> Result<Subscription, Problem> {
    actix_web::rt::spawn(signals.broadcaster().attend());
    crate::http::subscribe_to(signals, request)
}

impl Responder for Subscription {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        stream_head(Some(self.head()))
            .insert_header(("content-encoding", "identity"))
            .body(BodyStream::new(self))
    }
}

/// Each error of the library is what the service itself responds with: `application/problem+json` (RFC
/// 9457) with a stable `code`. So `broadcaster.publish(event).await?` is all that a handler needs.
macro_rules! response_error {
    ($($error:ty),*) => {$(
        impl ResponseError for $error {
            fn status_code(&self) -> StatusCode {
                Problem::from(self.clone()).status()
            }

            fn error_response(&self) -> HttpResponse {
                Problem::from(self.clone()).error_response()
            }
        }
    )*};
}
response_error!(
    Invalid,
    PublishError,
    SubscribeError,
    SignalError,
    Unavailable
);
