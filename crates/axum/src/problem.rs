//! Refusals as responses of axum.

use std::ops::Deref;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use sse_broadcaster_http::Refusal;

use crate::response::respond;

/// A [`Refusal`] that a handler can return. The response is `application/problem+json` (RFC 9457) with a stable
/// `code`. Each error of the library converts into one by `?`.
///
/// ```
/// use axum::{http::StatusCode, response::IntoResponse};
/// use sse_broadcaster::Event;
/// use sse_broadcaster_axum::Problem;
///
/// fn event(topic: &str) -> Result<Event, Problem> {
///     Ok(Event::builder("hello").topic(topic).build()?)
/// }
///
/// let problem = event("").unwrap_err();
/// assert_eq!(problem.code(), "invalid_topic");
/// assert_eq!(problem.into_response().status(), StatusCode::UNPROCESSABLE_ENTITY);
/// ```
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Problem(Refusal);

impl Problem {
    /// A problem with this status, stable code and detail: what was wrong, and what would be right.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Refusal::new(status, code, detail))
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

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        respond(self.0.into())
    }
}
