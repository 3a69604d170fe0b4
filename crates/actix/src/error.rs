//! Every refusal as `application/problem+json` (RFC 9457), from one table of codes and statuses.

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use serde::Serialize;

use sse_broadcaster_http::Refusal;

/// What was wrong, and what would be right. The detail is for whoever sent the request; nothing
/// internal is in it.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    progress: Option<Progress>,
    reason: Option<&'static str>,
}

/// How far a stream of lines had come.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Progress {
    pub(crate) line: u64,
    pub(crate) count: u64,
    pub(crate) last_id: Option<String>,
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            progress: None,
            reason: None,
        }
    }

    pub(crate) fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(crate) fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// The request could be read, but what it says cannot be published.
    pub(crate) fn unprocessable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }

    pub(crate) fn with_progress(mut self, progress: Progress) -> Self {
        self.progress = Some(progress);
        self
    }

    /// With this as its reason phrase (RFC 9112, section 4), which browsers show to developers where a page
    /// is not shown the body.
    pub(crate) fn with_reason(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
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

/// The code of a refusal, which its response carries for who counts them.
#[derive(Debug, Clone, Copy)]
pub struct RefusalCode(pub &'static str);

impl<E: Into<Refusal>> From<E> for Problem {
    fn from(error: E) -> Self {
        let Refusal {
            status,
            code,
            detail,
        } = error.into();
        let failed = StatusCode::INTERNAL_SERVER_ERROR;
        Self::new(StatusCode::from_u16(status).unwrap_or(failed), code, detail)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let status = (self.status.as_u16(), self.status.canonical_reason());
        let body =
            sse_broadcaster_http::problem(status, self.code, &self.detail, self.progress.as_ref());
        let mut response = HttpResponse::build(self.status);
        response
            .content_type("application/problem+json")
            .insert_header(no_store());
        response.extensions_mut().insert(RefusalCode(self.code));
        if let Some(reason) = self.reason {
            response.reason(reason);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((
                header::RETRY_AFTER,
                sse_broadcaster_http::RETRY_AFTER_SECONDS,
            ));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        response.body(body)
    }
}

/// What every answer that is not a stream says.
#[must_use]
pub fn no_store() -> (header::HeaderName, HeaderValue) {
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
}
