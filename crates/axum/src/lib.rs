//! A broadcaster inside an axum application: a [`StreamResponse`] from a handler.
//!
//! # What the host must know
//! - `tcp_nodelay(true)` on the listener (`axum::serve::ListenerExt`), or small events wait.
//! - No layer that compresses may stand before streams: it would be one encoder a stream.
//! - At a shutdown call [`Broadcaster::drain`] first: a graceful shutdown waits for open streams.
//! - Streams are served by hyper, which keeps two buffers a connection.

use std::fmt;

use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};

use sse_broadcaster::{
    broadcaster::{Broadcaster, PublishError, SubscribeError, Subscription},
    event::{Invalid, Selector},
    history::Unavailable,
};
use sse_broadcaster_http::{Refusal, SignalsRequest, StreamRequest};
use sse_broadcaster_signals::{SignalError, Signals};

/// Why a request was refused, as the service itself would have refused it: 400 for a parameter of a stream,
/// 413, 422 or 503 for an event, and so on. As a response it is `application/problem+json` (RFC 9457) with
/// a stable `code`. Each error of the library becomes one by `?`.
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
) -> Result<StreamResponse, Refused> {
    let stream_request = StreamRequest::read(query(&request.uri), last_id(&request.headers))
        .map_err(|invalid| Refused::parameter(&invalid))?;
    Ok(StreamResponse(
        stream_request.with_selector(selector).grant(broadcaster)?,
    ))
}

/// A stream of the signals that the request names, as `GET /signals` of the service does: `name`,
/// `format`.
///
/// # Errors
/// See [`Refused`].
pub fn subscribe_to_signals(signals: &Signals, request: &Parts) -> Result<StreamResponse, Refused> {
    let stream_request = SignalsRequest::read(query(&request.uri), last_id(&request.headers))
        .map_err(|invalid| Refused::parameter(&invalid))?;
    stream_request
        .grant(signals)
        .map(StreamResponse)
        .map_err(|error| match error {
            SignalError::Invalid(invalid) => Refused::parameter(&invalid),
            other => other.into(),
        })
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

impl Refused {
    /// A parameter of a stream: there is no body that could be wrong.
    fn parameter(invalid: &Invalid) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: invalid.code(),
            detail: invalid.to_string(),
        }
    }

    fn of(error: impl Into<Refusal>) -> Self {
        let Refusal {
            status,
            code,
            detail,
        } = error.into();
        let failed = StatusCode::INTERNAL_SERVER_ERROR;
        Self {
            status: StatusCode::from_u16(status).unwrap_or(failed),
            code,
            detail,
        }
    }

    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

/// Each error of the library is a [`Refused`] by `?`.
macro_rules! refused {
    ($($error:ty),*) => {$(
        impl From<$error> for Refused {
            fn from(error: $error) -> Self {
                Self::of(error)
            }
        }

    )*};
}
refused!(
    Invalid,
    PublishError,
    SubscribeError,
    SignalError,
    Unavailable
);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Refused {}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = (self.status.as_u16(), self.status.canonical_reason());
        let body = sse_broadcaster_http::problem(status, self.code, &self.detail, None::<&()>);
        let head = [
            (header::CONTENT_TYPE, "application/problem+json"),
            (header::CACHE_CONTROL, "no-store"),
            (
                header::X_CONTENT_TYPE_OPTIONS,
                sse_broadcaster_http::NO_SNIFF.1,
            ),
        ];
        let mut answer = (self.status, head, body).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            let headers = answer.headers_mut();
            headers.insert(
                header::RETRY_AFTER,
                sse_broadcaster_http::RETRY_AFTER_SECONDS.into(),
            );
        }
        answer
    }
}
