//! Errors, in the form that clients of each version expect.

use std::sync::Arc;

use http::{
    StatusCode,
    header::{self, HeaderValue},
};
use sse_broadcaster::{
    broadcaster::{PublishError, SubscribeError},
    event::Invalid,
    history::Unavailable,
};
use sse_broadcaster_access::{AuthorizeError, Grants, token::Check};
use sse_broadcaster_http::{Body, Refusal, Response};

use crate::{Version, address::Address};

/// The content type of text.
pub(crate) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Why a request is refused.
#[derive(Debug)]
pub(crate) struct Failure {
    refusal: Box<Refusal>,
    challenge: Challenge,
    /// `None` if nothing in the request shows it.
    version: Option<Version>,
}

/// What `WWW-Authenticate` says to a client of version 1.0 (RFC 6750, section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Challenge {
    None,
    /// There is no token.
    Missing,
    Error(&'static str),
}

impl Failure {
    fn new(refusal: Refusal, challenge: Challenge) -> Self {
        Self {
            refusal: Box::new(refusal),
            challenge,
            version: None,
        }
    }

    /// 400 for a parameter or a field.
    pub(crate) fn invalid(code: &'static str, detail: impl Into<String>) -> Self {
        Refusal::new(StatusCode::BAD_REQUEST, code, detail).into()
    }

    /// There is no token, and this needs one.
    pub(crate) fn token_missing(purpose: &str) -> Self {
        let detail = format!(
            "{purpose} needs a token: send it as \"Authorization: Bearer <token>\" or in the cookie of the hub"
        );
        let refusal = Refusal::unauthorized("grant_missing", detail);
        Self::new(refusal, Challenge::Missing)
    }

    /// The token is right, but does not grant this: 403 for version 1.0, 401 for 0.x.
    pub(crate) fn not_granted(detail: impl Into<String>) -> Self {
        let refusal = Refusal::forbidden("topic_not_granted", detail);
        Self::new(refusal, Challenge::Error("insufficient_scope"))
    }

    /// A cookie identifies the client, and its page is not allowed to use it.
    pub(crate) fn page(refusal: &Refusal) -> Self {
        let detail = refusal.detail().to_owned();
        let refusal = Refusal::new(StatusCode::BAD_REQUEST, refusal.code(), detail);
        Self::new(refusal, Challenge::Error("invalid_request"))
    }

    /// The token is wrong, or cannot be checked now. The reason is logged with the response, and never sent.
    pub(crate) fn token(error: AuthorizeError) -> Self {
        let challenge = match &error {
            AuthorizeError::Token(why) if matches!(why.check(), Check::Header(_)) => {
                Challenge::Error("invalid_request")
            }
            AuthorizeError::Token(_) => Challenge::Error("invalid_token"),
            AuthorizeError::NotSignedIn { .. } => Challenge::Missing,
            _ => Challenge::None,
        };
        Self::new(error.into(), challenge)
    }

    /// The same for a client of this version, unless it is of one already.
    pub(crate) fn of(mut self, version: Option<Version>) -> Self {
        self.version = self.version.or(version);
        self
    }

    /// The same for this client, which the log names where a token identifies it and does not suffice.
    pub(crate) fn by(mut self, grants: &Arc<Grants>) -> Self {
        if self.challenge != Challenge::None {
            *self.refusal = self.refusal.of_client(grants);
        }
        self
    }

    /// What is sent in another way than as a response is logged as one would be.
    pub(crate) fn log(&self) {
        self.refusal.log();
    }

    /// Whether the same request may succeed a moment later.
    pub(crate) fn is_temporary(&self) -> bool {
        self.refusal.retry_after().is_some()
    }

    pub(crate) fn into_response(self, default: Version, address: &Address) -> Response {
        match self.version.unwrap_or(default) {
            Version::One => self.with_challenge(address),
            Version::Zero => self.into_text(address),
        }
    }

    fn with_challenge(self, address: &Address) -> Response {
        let mut response = Response::from(&*self.refusal);
        let metadata = address.metadata();
        let challenge = match self.challenge {
            Challenge::None => None,
            Challenge::Missing => Some(format!("Bearer resource_metadata=\"{metadata}\"")),
            Challenge::Error(error) => Some(format!(
                "Bearer error=\"{error}\", resource_metadata=\"{metadata}\""
            )),
        };
        let headers = response.headers_mut();
        headers.remove(header::WWW_AUTHENTICATE);
        let challenge = challenge.and_then(|challenge| HeaderValue::from_str(&challenge).ok());
        if let Some(challenge) = challenge {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }

    /// Clients of version 0.x know 401 for everything that a token does not grant, and no challenge. Only where there
    /// is no token nothing shows the version, so that the challenge is sent.
    fn into_text(mut self, address: &Address) -> Response {
        let is_missing = self.challenge == Challenge::Missing;
        if self.challenge != Challenge::None {
            *self.refusal = self.refusal.with_status(StatusCode::UNAUTHORIZED);
        }
        let text = format!("{}\n", self.refusal);
        let mut response = self.with_challenge(address);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, TEXT);
        if !is_missing {
            headers.remove(header::WWW_AUTHENTICATE);
        }
        response.map(|_| Body::from(text))
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal, Challenge::None)
    }
}

impl From<Invalid> for Failure {
    fn from(invalid: Invalid) -> Self {
        Self::invalid(invalid.code(), invalid.to_string())
    }
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<Unavailable> for Failure {
    fn from(why: Unavailable) -> Self {
        Refusal::from(why).into()
    }
}

impl From<SubscribeError> for Failure {
    fn from(error: SubscribeError) -> Self {
        Refusal::from(error).into()
    }
}
