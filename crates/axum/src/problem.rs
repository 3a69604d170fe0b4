//! A refusal as a response of axum.

use std::ops::Deref;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use sse_broadcaster_http::Refusal;

use crate::response::respond;

/// A [`Refusal`] that a handler can return: as a response it is `application/problem+json` (RFC 9457) with a
/// stable `code`. Each error of the library becomes one by `?`.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Problem(Refusal);

impl Problem {
    /// With this status, stable code and detail: what was wrong, and what would be right.
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
