//! `POST /events` and `PUT /signals/<name>`, and the responses.

use std::{io, time::Duration};

use serde::Deserialize;
use ureq::{
    Agent, Body, RequestBuilder, Timeout,
    http::{HeaderValue, Response, StatusCode, header},
    typestate::WithBody,
};

use super::{
    Failure,
    client::{self, Problem},
    signal_list::signal_url,
    target::Target,
    token::{TOKEN_VARIABLE, TokenArgs},
};

/// An overloaded server lets publishers wait, for each line of a body anew.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(120);
/// Shorter than servers keep an idle connection, so that none is closed while a request is sent.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Publishes to one server, request after request over one connection.
#[derive(Debug)]
pub(crate) struct Publisher {
    agent: Agent,
    target: Target,
    credentials: Credentials,
}

/// What each request is sent with.
#[derive(Debug)]
pub(crate) enum Credentials {
    Key(HeaderValue),
    /// A token, which may be in a file that is written again before the token ends; or none.
    Token(TokenArgs),
}

impl Credentials {
    fn authorization(&self) -> Result<Option<HeaderValue>, Failure> {
        match self {
            Self::Key(value) => Ok(Some(value.clone())),
            Self::Token(token) => token.authorization(),
        }
    }
}

/// What was published: `id` or `ids` for a JSON body, `count` and `last_id` for a body of lines.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Published {
    pub(crate) id: Option<String>,
    pub(crate) ids: Vec<String>,
    pub(crate) count: u64,
    pub(crate) last_id: Option<String>,
}

/// Why a request was not published, or not all of it.
#[derive(Debug)]
pub(crate) enum PublishError {
    /// The server rejected it. For a body of lines, `problem` says which were published.
    Rejected {
        why: String,
        problem: Box<Problem>,
        /// The same request may succeed later.
        is_temporary: bool,
    },
    /// No part of the request has reached the server.
    Unsent { why: String, is_temporary: bool },
    /// The outcome is unknown, because there was no response.
    NoResponse(String),
    /// The outcome is unknown, because the response is not that of an sse-broadcaster.
    UnexpectedResponse(String),
}

impl Publisher {
    /// # Errors
    /// When there is a token that cannot be read.
    pub(crate) fn new(target: Target, credentials: Credentials) -> Result<Self, Failure> {
        credentials.authorization()?;
        let agent = client::agent(&target, |config| {
            config
                // A POST that follows a redirect may arrive as a GET, which is a subscriber.
                .max_redirects(0)
                .timeout_recv_response(Some(RESPONSE_TIMEOUT))
                .max_idle_age(IDLE_TIMEOUT)
        });
        Ok(Self {
            agent,
            target,
            credentials,
        })
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn post(&self, content_type: &str, body: &[u8]) -> Result<Published, PublishError> {
        let request = self.agent.post(self.target.url());
        let mut response = self.send(request.content_type(content_type), body)?;
        let body = client::body(&mut response).map_err(|error| self.failed(&error))?;
        serde_json::from_slice(&body).map_err(|_| {
            PublishError::UnexpectedResponse(format!(
                "{}: the response is not that of a publish; is the URL right?",
                self.target
            ))
        })
    }

    /// Sets a signal to a document, whatever it was.
    pub(crate) fn set_signal(&self, name: &str, document: &[u8]) -> Result<(), PublishError> {
        let Some(signals) = self.target.beside("/signals") else {
            return Err(PublishError::Unsent {
                why: format!("{}: signals need a --url that ends in /events", self.target),
                is_temporary: false,
            });
        };
        let request = self.agent.put(signal_url(&signals, name));
        let mut response = self.send(request.content_type("application/json"), document)?;
        if client::content_type(&response) != "application/json" {
            return Err(PublishError::UnexpectedResponse(format!(
                "{}: the response is not that of setting a signal; is the URL right?",
                self.target
            )));
        }
        // The connection can be used again once the body has been read to its end.
        let body = client::body(&mut response);
        body.map(drop).map_err(|error| self.failed(&error))
    }

    fn send(
        &self,
        mut request: RequestBuilder<WithBody>,
        body: &[u8],
    ) -> Result<Response<Body>, PublishError> {
        // It could be read before: the file is being written, perhaps.
        let unreadable = |failure: Failure| PublishError::Unsent {
            why: failure.line,
            is_temporary: true,
        };
        let authorization = self.credentials.authorization().map_err(unreadable)?;
        let has_sent = authorization.is_some();
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let mut response = request.send(body).map_err(|error| self.failed(&error))?;
        if !response.status().is_success() {
            let problem = client::problem(&mut response);
            return Err(PublishError::Rejected {
                why: self.sentence(response.status(), &problem, has_sent),
                is_temporary: client::is_temporary_status(response.status()),
                problem: Box::new(problem),
            });
        }
        Ok(response)
    }

    fn sentence(&self, status: StatusCode, problem: &Problem, has_sent: bool) -> String {
        let detail = problem.sentence();
        match (status, &self.credentials) {
            (StatusCode::UNAUTHORIZED, Credentials::Key(_)) => {
                format!("{detail}: check --publish-key and SSE_BROADCASTER_PUBLISH_KEY")
            }
            (StatusCode::UNAUTHORIZED, Credentials::Token(_)) if has_sent => {
                format!("{detail}: check --token, --token-file and {TOKEN_VARIABLE}")
            }
            (StatusCode::UNAUTHORIZED, Credentials::Token(_)) => format!(
                "{detail}: give --publish-key or --token-file, or set SSE_BROADCASTER_PUBLISH_KEY or \
                 {TOKEN_VARIABLE}"
            ),
            _ => detail,
        }
    }

    fn failed(&self, error: &ureq::Error) -> PublishError {
        let why = format!("{}: {}", self.target, client::why(error));
        if may_have_arrived(error) {
            PublishError::NoResponse(why)
        } else {
            PublishError::Unsent {
                why,
                is_temporary: client::is_temporary(error),
            }
        }
    }
}

/// Whether the request, or a part of it, may have reached the server.
fn may_have_arrived(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Io(error) => matches!(
            error.kind(),
            io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::NotConnected
                | io::ErrorKind::Other
                | io::ErrorKind::TimedOut
                | io::ErrorKind::UnexpectedEof
                | io::ErrorKind::WouldBlock
        ),
        ureq::Error::Timeout(reason) => !matches!(reason, Timeout::Resolve | Timeout::Connect),
        ureq::Error::Protocol(_) => true,
        _ => false,
    }
}
