//! A broadcaster inside an axum application: a [`Subscription`] as the answer of a handler.
//!
//! # What the host must know
//! - `tcp_nodelay(true)` on the listener (`axum::serve::ListenerExt`), or small events wait.
//! - No layer that compresses may stand before streams: it would be one encoder a stream.
//! - At a shutdown call [`Broadcaster::drain`] first: a graceful shutdown waits for open streams.
//! - Streams are served by hyper, which keeps two buffers a connection.

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};

use crate::{
    answer,
    broadcaster::{Broadcaster, SubscribeError, Subscription},
    event::{Invalid, Selector},
    signals::{SignalError, Signals, SignalsWish},
    wish::Wish,
};

/// Why a stream was refused: 400 for a parameter that cannot be, 503 when nobody can subscribe now. As
/// an answer it is `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    status: StatusCode,
    code: &'static str,
    detail: String,
}

/// A stream of what `selector` admits, for a handler that has checked who asks. Where it begins and its
/// form are read from the request, as `GET /events` of the service does: `Last-Event-ID`, `since`,
/// `last`, `format`.
///
/// # Errors
/// See [`Refused`].
pub fn subscribe(
    broadcaster: &Broadcaster,
    request: &Parts,
    selector: Selector,
) -> Result<Subscription, Refused> {
    let wish = Wish::read(query(&request.uri), last_id(&request.headers))?;
    Ok(wish.of_what(selector).grant(broadcaster)?)
}

/// A stream of the signals that the request names, as `GET /signals` of the service does: `name`,
/// `format`.
///
/// # Errors
/// See [`Refused`].
pub fn subscribe_to_signals(signals: &Signals, request: &Parts) -> Result<Subscription, Refused> {
    let wish = SignalsWish::read(query(&request.uri), last_id(&request.headers))?;
    wish.grant(signals).map_err(|error| match error {
        SignalError::Subscribe(error) => error.into(),
        other => Refused {
            status: StatusCode::BAD_REQUEST,
            code: other.code(),
            detail: other.to_string(),
        },
    })
}

fn query(uri: &Uri) -> &str {
    uri.query().unwrap_or("")
}

fn last_id(headers: &HeaderMap) -> Option<&[u8]> {
    let id = headers.get("last-event-id")?;
    Some(id.as_bytes())
}

impl IntoResponse for Subscription {
    fn into_response(self) -> Response {
        let at = [(answer::EVENT_HEAD, self.head().to_string())];
        (answer::STREAM_HEADERS, at, Body::from_stream(self)).into_response()
    }
}

impl From<Invalid> for Refused {
    fn from(invalid: Invalid) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: invalid.code(),
            detail: invalid.to_string(),
        }
    }
}

impl From<SubscribeError> for Refused {
    fn from(error: SubscribeError) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: error.code(),
            detail: error.to_string(),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = (self.status.as_u16(), self.status.canonical_reason());
        let body = answer::problem(status, self.code, &self.detail, None::<&()>);
        let head = [
            (header::CONTENT_TYPE, "application/problem+json"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        let mut answer = (self.status, head, body).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            let headers = answer.headers_mut();
            headers.insert(header::RETRY_AFTER, answer::RETRY_AFTER_SECONDS.into());
        }
        answer
    }
}
