//! Refusals as responses of actix-web.

use std::ops::Deref;

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};

use sse_broadcaster_http::{Body, Refusal, Response};

use crate::response::head;

/// A [`Refusal`] that a handler can return. The response is `application/problem+json` (RFC 9457) with a stable
/// `code`. Each error of the library converts into one by `?`.
///
/// ```
/// use actix_web::{ResponseError, http::StatusCode};
/// use sse_broadcaster::Event;
/// use sse_broadcaster_actix::Problem;
///
/// fn event(topic: &str) -> Result<Event, Problem> {
///     Ok(Event::builder("hello").topic(topic).build()?)
/// }
///
/// let problem = event("").unwrap_err();
/// assert_eq!(problem.code(), "invalid_topic");
/// assert_eq!(problem.error_response().status(), StatusCode::UNPROCESSABLE_ENTITY);
/// ```
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Problem(Refusal);

impl Problem {
    /// A problem with this status, stable code and detail: what was wrong, and what would be right.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let status = http::StatusCode::from_u16(status.as_u16());
        let status = status.unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        Self(Refusal::new(status, code, detail))
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        let status = StatusCode::from_u16(self.0.status().as_u16());
        status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl Deref for Problem {
    type Target = Refusal;

    fn deref(&self) -> &Refusal {
        &self.0
    }
}

impl<E: Into<Refusal>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        let (parts, body) = Response::from(&self.0).into_parts();
        match body {
            Body::Bytes(bytes) => head(&parts).body(bytes),
            _ => head(&parts).finish(),
        }
    }
}

/// The response of a refusal.
#[must_use]
pub fn refused(refusal: Refusal) -> HttpResponse {
    Problem(refusal).error_response()
}

/// The header that forbids caches to store a response.
#[must_use]
pub fn no_store() -> (header::HeaderName, HeaderValue) {
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
}
