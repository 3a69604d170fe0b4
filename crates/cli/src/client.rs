//! The HTTP client of the commands.

use std::{io, time::Duration};

use serde::Deserialize;
use ureq::{
    Agent, Body, Timeout,
    config::ConfigBuilder,
    http::{Response, StatusCode, header},
    typestate::AgentScope,
};

use super::target::Target;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest `Retry-After` that is followed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);
/// Most bytes that are read of a response that is no stream.
const MAX_RESPONSE_BYTES: u64 = 4 << 20;

/// An HTTP client that returns responses of every status. It uses the proxy of the environment, but not for
/// servers on this machine.
pub fn agent(
    target: &Target,
    settings: impl FnOnce(ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope>,
) -> Agent {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .user_agent(concat!("sse-broadcaster/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(CONNECT_TIMEOUT))
        .timeout_connect(Some(CONNECT_TIMEOUT));
    if target.is_local() {
        config = config.proxy(None);
    }
    settings(config).build().new_agent()
}

/// Describes an error of a request.
pub(crate) fn why(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => why_io(error),
        ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
            "no connection in time".to_owned()
        }
        ureq::Error::Timeout(_) => "no response in time".to_owned(),
        other => other.to_string(),
    }
}

/// Describes an error of a connection.
#[must_use]
pub fn why_io(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => "the connection was cut".to_owned(),
        // TLS reports certificates and messages that it rejects as invalid data.
        io::ErrorKind::InvalidData => format!("the TLS connection failed: {error}"),
        _ => error.to_string(),
    }
}

/// The body of a rejection, `application/problem+json`; every member may be missing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Problem {
    detail: Option<String>,
    code: Option<String>,
    /// For a body of lines: the line that was rejected, and what was published before it.
    pub(crate) line: Option<u64>,
    pub(crate) count: u64,
    pub(crate) last_id: Option<String>,
    /// How long to wait before the next attempt.
    #[serde(skip)]
    pub(crate) retry_after: Option<Duration>,
}

/// Reads a rejection: `application/problem+json`, or any response of a proxy in between.
pub(crate) fn problem(response: &mut Response<Body>) -> Problem {
    let is_problem = content_type(response) == "application/problem+json";
    let mut problem: Problem = match body(response) {
        Ok(body) if is_problem => serde_json::from_slice(&body).unwrap_or_default(),
        _ => Problem::default(),
    };
    problem.retry_after = retry_after(response);
    if problem.detail.is_none() {
        problem.detail = Some(match location(response) {
            Some(location) => format!("the server is at {location}: give that as --url"),
            None => format!("the server responded {}", response.status()),
        });
    }
    problem
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let header = response.headers().get(header::RETRY_AFTER)?;
    let seconds = header.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

/// Whether the same request may succeed later, after this status.
pub(crate) fn is_temporary_status(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        )
}

/// Whether the same request may succeed later, after this error.
pub(crate) fn is_temporary(error: &ureq::Error) -> bool {
    match error {
        // A certificate that was rejected.
        ureq::Error::Io(error) => error.kind() != io::ErrorKind::InvalidData,
        ureq::Error::Timeout(_) | ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => true,
        _ => false,
    }
}

impl Problem {
    /// Whether the request may have been published all the same. A rejection without a code may come from a
    /// proxy that lost its server.
    pub(crate) fn is_outcome_unknown(&self) -> bool {
        self.code
            .as_deref()
            .is_none_or(|code| code == "outcome_unknown")
    }

    /// The detail with its code; empty where the response has neither.
    #[must_use]
    pub fn sentence(&self) -> String {
        let detail = self.detail.as_deref().unwrap_or_default();
        match &self.code {
            Some(code) => format!("{detail} ({code})"),
            None => detail.to_owned(),
        }
    }
}

pub(crate) fn content_type(response: &Response<Body>) -> &str {
    response.body().mime_type().unwrap_or_default()
}

fn location(response: &Response<Body>) -> Option<&str> {
    response
        .headers()
        .get(header::LOCATION)
        .filter(|_| response.status().is_redirection())
        .and_then(|location| location.to_str().ok())
}

/// Reads the body of a response that is no stream, up to 4 MiB.
///
/// # Errors
/// When the connection fails, or the body is too long.
pub fn body(response: &mut Response<Body>) -> Result<Vec<u8>, ureq::Error> {
    let config = response.body_mut().with_config();
    config.limit(MAX_RESPONSE_BYTES).read_to_vec()
}
