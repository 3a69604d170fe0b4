//! Errors as responses: one type for every framework, with a status and a stable code.

mod log;
mod of_errors;

use std::{error::Error, sync::Arc, time::Duration};

use http::{
    StatusCode,
    header::{self, HeaderName, HeaderValue},
};
use serde::Serialize;

use sse_broadcaster::event::Invalid;
use sse_broadcaster_access::Grants;

use crate::json_line::json_line;

pub(crate) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const BEARER: HeaderValue = HeaderValue::from_static("Bearer");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
/// The `Retry-After` of every 503.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a request is refused. Each error of the library converts into one by `?`; the response is
/// `application/problem+json` (RFC 9457) with a stable code.
///
/// The detail is for the client: what was wrong and what would be right, and nothing internal. The error that caused
/// the refusal is its [`source`](Error::source).
///
/// ```
/// use sse_broadcaster::Event;
/// use sse_broadcaster_http::Refusal;
///
/// fn event(topic: &str) -> Result<Event, Refusal> {
///     Ok(Event::builder("hello").topic(topic).build()?)
/// }
///
/// let refusal = event("").unwrap_err();
/// assert_eq!((refusal.status().as_u16(), refusal.code()), (422, "invalid_topic"));
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    status: StatusCode,
    code: &'static str,
    detail: String,
    reason: Option<&'static str>,
    allow: Option<&'static str>,
    progress: Option<Box<Progress>>,
    source: Option<Box<dyn Error + Send + Sync>>,
    client: Option<Arc<Grants>>,
    is_logged: bool,
}

/// How many lines of an upload were published before one was refused: further members of the response's object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Progress {
    /// The number of the refused line, from 1.
    pub line: u64,
    /// How many events of earlier lines were published.
    pub count: u64,
    /// The id of the last published event.
    pub last_id: Option<String>,
}

impl Progress {
    /// `line` is refused after `count` events, of which the last has this id.
    #[must_use]
    pub fn new(line: u64, count: u64, last_id: Option<String>) -> Self {
        Self {
            line,
            count,
            last_id,
        }
    }
}

impl Refusal {
    /// A refusal with this status, stable code and detail: what was wrong, and what would be right.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            reason: None,
            allow: None,
            progress: None,
            source: None,
            client: None,
            is_logged: false,
        }
    }

    /// 400: the request cannot be parsed.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 400 `invalid_utf8`; `what` names the text, for example `the query`.
    #[must_use]
    pub fn not_utf8(what: &str) -> Self {
        Self::bad_request("invalid_utf8", format!("{what} is not valid UTF-8"))
    }

    /// 401: no valid key.
    pub fn unauthorized(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
    }

    /// 403: the client or its page is not allowed to do this.
    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// 404 `not_found`.
    #[must_use]
    pub fn not_found() -> Self {
        Self::not_served(
            "there is nothing at this path; events are at /events, below --base-path if that is set",
        )
    }

    /// 404 `not_found` for what a setting would serve; `detail` names it.
    pub fn not_served(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// 405 `method_not_allowed`; `allowed` is the value of `Allow`, for example `GET, HEAD`.
    #[must_use]
    pub fn method_not_allowed(allowed: &'static str) -> Self {
        let detail = format!("this address does not take this method; it takes {allowed}");
        let status = StatusCode::METHOD_NOT_ALLOWED;
        let mut refusal = Self::new(status, "method_not_allowed", detail);
        refusal.allow = Some(allowed);
        refusal
    }

    /// 413 `too_large`.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }

    /// 415 `unsupported_media_type`.
    pub fn unsupported_media_type(detail: impl Into<String>) -> Self {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Self::new(status, "unsupported_media_type", detail)
    }

    /// 422: the request can be parsed, but its values are not valid.
    pub fn unprocessable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// 503 with `Retry-After`: the same request may succeed a moment later.
    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
    }

    /// 400 for a query parameter. The reason phrase says what would be right, since the browser's console shows
    /// nothing else of a failed `EventSource`.
    #[must_use]
    pub fn parameter(invalid: Invalid) -> Self {
        Self::bad_request(invalid.code(), invalid.to_string())
            .with_reason(reason(invalid.code()))
            .with_source(invalid)
    }

    /// Adds how many lines of an upload were published.
    #[must_use]
    pub fn with_progress(mut self, progress: Progress) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }

    /// Adds a reason phrase (RFC 9112, section 4) of visible ASCII and spaces. Browsers show it to developers even if
    /// a page may not read the body.
    #[must_use]
    pub fn with_reason(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Adds the error that caused the refusal.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same with another status, for a protocol that has one of its own for this.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable, machine-readable code, for example `invalid_topic`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The sentence for the client: what was wrong, and what would be right.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The reason phrase, if it is not that of the status.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        self.reason
    }

    /// How many lines of an upload were published.
    #[must_use]
    pub fn progress(&self) -> Option<&Progress> {
        self.progress.as_deref()
    }

    /// How long the client should wait before it tries again: one second for every 503, else `None`.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        (self.status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER)
    }

    /// The body of the response: an object of RFC 9457, and a line feed.
    #[must_use]
    pub fn body(&self) -> String {
        #[derive(Serialize)]
        struct Body<'a> {
            r#type: &'static str,
            title: &'static str,
            status: u16,
            detail: &'a str,
            code: &'static str,
            #[serde(flatten)]
            progress: Option<&'a Progress>,
        }
        json_line(&Body {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            progress: self.progress(),
        })
    }

    /// The headers of the response, without the length.
    pub fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let retry_after = self.retry_after().map(|after| after.as_secs().into());
        let allow = self.allow.and_then(|allow| allow.parse().ok());
        let challenge = self.status == StatusCode::UNAUTHORIZED;
        [
            (header::CONTENT_TYPE, Some(PROBLEM)),
            (header::CACHE_CONTROL, Some(NO_STORE)),
            (header::ALLOW, allow),
            (header::RETRY_AFTER, retry_after),
            (header::WWW_AUTHENTICATE, challenge.then_some(BEARER)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}

/// The reason phrase for a parameter that is refused with this code.
fn reason(code: &'static str) -> &'static str {
    match code {
        "invalid_since" => {
            "since takes 10m, 2026-01-31T12:00:00Z, 1769860800, an event id, or earliest"
        }
        "invalid_last" => "last takes a number of events",
        "invalid_until" => "until takes head",
        "invalid_limit" => "limit takes a number of events from 1 to 10000",
        "invalid_traceparent" => "traceparent takes true or false, and true needs format=json",
        "invalid_heartbeat" => "heartbeat takes a time from 1s to 1h, as in 15s",
        "invalid_topic" => "a topic is a text of 1 to 256 bytes without * and {, or * for all",
        "too_many_topics" => "a stream has 100 topics at most; * asks for all",
        "too_many_signals" => "a stream has 100 signals at most",
        "no_signals" => "name a signal, as in ?name=counter",
        "unknown_parameter" => {
            "a parameter is misspelt: topic, name, since, last, format, until, last_event_id"
        }
        code => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_a_problem_of_rfc_9457_with_a_stable_code() {
        let refusal = Refusal::bad_request("invalid_json", "not JSON")
            .with_progress(Progress::new(3, 2, Some("1-1".into())));
        let expected = concat!(
            r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"not JSON","#,
            r#""code":"invalid_json","line":3,"count":2,"last_id":"1-1"}"#,
            "\n"
        );
        assert_eq!(refusal.body(), expected);
    }
}
