//! A broadcaster inside an axum application: a [`Subscription`] as the answer of a handler.
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

use crate::{
    answer::{self, Refusal},
    broadcaster::{Broadcaster, PublishError, SubscribeError, Subscription},
    event::{Invalid, Selector},
    history::Unavailable,
    signals::{SignalError, Signals, SignalsWish},
    wish::Wish,
};

/// Why a request was refused, as the service itself would have refused it: 400 for a parameter of a stream,
/// 413, 422 or 503 for an event, and so on. As a response it is `application/problem+json` (RFC 9457) with
/// a stable `code`. Each error of the library becomes one by `?`, and is a response by itself.
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
    let wish = Wish::read(query(&request.uri), last_id(&request.headers))
        .map_err(|invalid| Refused::parameter(&invalid))?;
    Ok(wish.of_what(selector).grant(broadcaster)?)
}

/// A stream of the signals that the request names, as `GET /signals` of the service does: `name`,
/// `format`.
///
/// # Errors
/// See [`Refused`].
pub fn subscribe_to_signals(signals: &Signals, request: &Parts) -> Result<Subscription, Refused> {
    let wish = SignalsWish::read(query(&request.uri), last_id(&request.headers))
        .map_err(|invalid| Refused::parameter(&invalid))?;
    wish.grant(signals).map_err(|error| match error {
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

impl IntoResponse for Subscription {
    fn into_response(self) -> Response {
        let at = [(answer::EVENT_HEAD, self.head().to_string())];
        (answer::STREAM_HEADERS, at, Body::from_stream(self)).into_response()
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

/// Each error of the library is a response by itself, and a [`Refused`] by `?`.
macro_rules! refused {
    ($($error:ty),*) => {$(
        impl From<$error> for Refused {
            fn from(error: $error) -> Self {
                Self::of(error)
            }
        }

        impl IntoResponse for $error {
            fn into_response(self) -> Response {
                Refused::of(self).into_response()
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
        let body = answer::problem(status, self.code, &self.detail, None::<&()>);
        let head = [
            (header::CONTENT_TYPE, "application/problem+json"),
            (header::CACHE_CONTROL, "no-store"),
            (header::X_CONTENT_TYPE_OPTIONS, answer::NO_SNIFF.1),
        ];
        let mut answer = (self.status, head, body).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            let headers = answer.headers_mut();
            headers.insert(header::RETRY_AFTER, answer::RETRY_AFTER_SECONDS.into());
        }
        answer
    }
}
