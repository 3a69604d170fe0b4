//! `POST /events` and `PUT /signals/<name>`, and what the server responds.

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
};
use crate::Secret;

/// A server that is behind lets publishers wait, each line of a body anew.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(120);
/// Shorter than servers keep an idle connection, so that none is closed under a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Publishes to one server, request after request over one connection.
#[derive(Debug)]
pub(crate) struct Publisher {
    agent: Agent,
    target: Target,
    authorization: Option<HeaderValue>,
}

/// What was published: `id` or `ids` for JSON, the rest for a body of lines.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Taken {
    pub(crate) id: Option<String>,
    pub(crate) ids: Vec<String>,
    pub(crate) count: u64,
    pub(crate) last_id: Option<String>,
}

/// Why not all of a request was published.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The server said so; of a body of lines it says what stands.
    Answered {
        why: String,
        problem: Box<Problem>,
        /// Time may mend it.
        is_passing: bool,
    },
    /// Nothing of it has reached the server.
    Unsent { why: String, is_passing: bool },
    /// The outcome is unknown: there was no response.
    Unknown(String),
    /// The outcome is unknown: the response is not that of such a server.
    Foreign(String),
}

impl Publisher {
    pub(crate) fn new(target: Target, key: Option<&Secret>) -> Result<Self, Failure> {
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
            authorization: key.map(bearer).transpose()?,
        })
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn post(&self, content_type: &str, body: &[u8]) -> Result<Taken, Refused> {
        let request = self.agent.post(self.target.url());
        let mut response = self.send(request.content_type(content_type), body)?;
        let body = client::body(&mut response).map_err(|error| self.unanswered(&error))?;
        serde_json::from_slice(&body).map_err(|_| {
            Refused::Foreign(format!(
                "{} does not answer as a publish does; is the URL right?",
                self.target
            ))
        })
    }

    /// Sets a signal to a document, whatever it was.
    pub(crate) fn set_signal(&self, name: &str, document: &[u8]) -> Result<(), Refused> {
        let Some(signals) = self.target.beside("/signals") else {
            return Err(Refused::Unsent {
                why: format!("{}: signals need a --url that ends in /events", self.target),
                is_passing: false,
            });
        };
        let request = self.agent.put(signal_url(&signals, name));
        let mut response = self.send(request.content_type("application/json"), document)?;
        if client::content_type(&response) != "application/json" {
            return Err(Refused::Foreign(format!(
                "{} does not respond as one that keeps signals does; is the URL right?",
                self.target
            )));
        }
        // Read to its end, the connection serves the next request.
        let body = client::body(&mut response);
        body.map(drop).map_err(|error| self.unanswered(&error))
    }

    fn send(
        &self,
        mut request: RequestBuilder<WithBody>,
        body: &[u8],
    ) -> Result<Response<Body>, Refused> {
        if let Some(value) = &self.authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let mut response = request
            .send(body)
            .map_err(|error| self.unanswered(&error))?;
        if !response.status().is_success() {
            let problem = client::problem(&mut response);
            return Err(Refused::Answered {
                why: self.sentence(response.status(), &problem),
                is_passing: client::is_passing(response.status()),
                problem: Box::new(problem),
            });
        }
        Ok(response)
    }

    fn sentence(&self, status: StatusCode, problem: &Problem) -> String {
        let said = problem.sentence();
        match (status, &self.authorization) {
            (StatusCode::UNAUTHORIZED, None) => {
                format!("{said}: give --publish-key, or set SSE_BROADCASTER_PUBLISH_KEY")
            }
            (StatusCode::UNAUTHORIZED, Some(_)) => {
                format!("{said}: check --publish-key and SSE_BROADCASTER_PUBLISH_KEY")
            }
            _ => said,
        }
    }

    fn unanswered(&self, error: &ureq::Error) -> Refused {
        let why = format!("{}: {}", self.target, client::why(error));
        if may_have_arrived(error) {
            Refused::Unknown(why)
        } else {
            Refused::Unsent {
                why,
                is_passing: client::may_pass(error),
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

/// The header `Authorization` with this key, which is kept out of logs and out of the error.
///
/// # Errors
/// When no header can carry the key.
pub fn bearer(key: &Secret) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose()))
        .map_err(|_| Failure::usage("the publish key holds characters that no header can carry"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_no_header_can_carry_is_not_repeated() {
        let Ok(key) = "se\u{7}cret".parse::<Secret>();
        let failure = bearer(&key).unwrap_err();
        assert!(!failure.line.contains("cret"), "{}", failure.line);
    }

    #[test]
    fn a_key_is_not_in_what_is_printed_for_debugging() {
        let Ok(key) = "secret".parse::<Secret>();
        assert!(!format!("{:?}", bearer(&key).unwrap()).contains("secret"));
    }
}
