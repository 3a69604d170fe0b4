use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::grants::Grants;

/// Why a token was refused. The text is a sentence for the log: it names the check, the issuer and the key id,
/// and never has any part of a token but names that its header or claims give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenError {
    check: Box<Check>,
    issuer: Option<Arc<str>>,
    key_id: Option<Box<str>>,
    /// Whose token it is, once it is verified.
    grants: Option<Arc<Grants>>,
}

/// Which check a token failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Check {
    /// The `Authorization` header is not `Bearer` and a token.
    Header(&'static str),
    /// The text is not a token.
    Malformed(&'static str),
    /// No trusted issuer has the claim `iss`.
    Issuer {
        /// What it is.
        iss: Option<String>,
    },
    /// The issuer has no key with the id that the token names.
    UnknownKey,
    /// The key is not for the algorithm that the token names.
    Algorithm {
        /// Which one it names.
        alg: String,
    },
    /// The signature is not by the key.
    Signature,
    /// `exp` is past.
    Expired {
        /// When it was.
        at: SystemTime,
    },
    /// `nbf` is to come.
    NotYetValid {
        /// When it will be.
        at: SystemTime,
    },
    /// `aud` has none of those that are expected.
    Audience {
        /// Which are expected.
        expected: Vec<String>,
        /// What the token has, shortened, if it has the claim.
        found: Option<String>,
    },
    /// A claim is missing or is not as it must be.
    Claim {
        /// Which one.
        name: &'static str,
        /// What is wrong.
        why: String,
    },
    /// It was revoked.
    Revoked,
}

impl Check {
    /// Stable and machine-readable.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Header(_) => "authorization_malformed",
            Self::Malformed(_) => "token_malformed",
            Self::Issuer { .. } => "token_issuer",
            Self::UnknownKey => "token_unknown_key",
            Self::Algorithm { .. } => "token_algorithm",
            Self::Signature => "token_signature",
            Self::Expired { .. } => "token_expired",
            Self::NotYetValid { .. } => "token_not_yet_valid",
            Self::Audience { .. } => "token_audience",
            Self::Claim { .. } => "token_claim",
            Self::Revoked => "token_revoked",
        }
    }

    /// How far verification came: of several issuers' keys, the error of the one that came furthest tells most.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Header(_) | Self::Malformed(_) => 0,
            Self::Issuer { .. } => 1,
            Self::UnknownKey => 2,
            Self::Algorithm { .. } => 3,
            Self::Signature => 4,
            _ => 5,
        }
    }
}

impl TokenError {
    pub(crate) fn new(check: Check) -> Self {
        Self {
            check: Box::new(check),
            issuer: None,
            key_id: None,
            grants: None,
        }
    }

    pub(crate) fn claim(name: &'static str, why: impl Into<String>) -> Self {
        Self::new(Check::Claim {
            name,
            why: why.into(),
        })
    }

    pub(crate) fn of_issuer(mut self, issuer: Arc<str>) -> Self {
        self.issuer = Some(issuer);
        self
    }

    /// The token is verified, and its grants do not count any longer.
    pub(crate) fn of_grants(mut self, grants: Arc<Grants>) -> Self {
        self.grants = Some(grants);
        self
    }

    pub(crate) fn with_key_id(mut self, id: Option<&str>) -> Self {
        self.key_id = id.map(|id| super::shown(id).into());
        self
    }

    /// Which check it failed.
    #[must_use]
    pub fn check(&self) -> &Check {
        &self.check
    }

    /// Stable and machine-readable, for example `token_expired`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.check.code()
    }

    /// The name of the issuer in the settings, if it came so far.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// The key id that the token names, or else the one of the key that signed it.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// For those who issue tokens: what to do, as far as the check tells it. Not for clients.
    #[must_use]
    pub fn issuer_message(&self) -> &'static str {
        match *self.check {
            Check::Issuer { .. } => {
                "issue it with the \"iss\" of a trusted issuer, or trust this one"
            }
            Check::UnknownKey => "sign it with a key that is trusted here, or trust its key",
            Check::Algorithm { .. } => {
                "sign it with an algorithm that the trusted keys are for, or trust a key for this one"
            }
            Check::Signature => {
                "sign it with the key that is trusted here, or trust the key that it was signed with"
            }
            Check::Claim { .. } => "issue a token with this claim as it must be",
            _ => self.client_message(),
        }
    }

    /// For the client: what to do. Says nothing about keys and issuers.
    #[must_use]
    pub fn client_message(&self) -> &'static str {
        match *self.check {
            Check::Header(_) => {
                "the Authorization header must be \"Bearer\", a space and a token; correct it or leave it out"
            }
            Check::Malformed(_) => {
                "the token is not a JSON Web Token; send the whole token, as it was issued"
            }
            Check::Expired { .. } => "the token has expired; get a new one",
            Check::NotYetValid { .. } => {
                "the token is not valid yet; check the clock of the server that issued it"
            }
            Check::Audience { .. } => {
                "the token is for another service; get one whose \"aud\" names this one"
            }
            Check::Claim { .. } => {
                "a claim of the token is missing or invalid; the server's log names it"
            }
            Check::Revoked => "the token was revoked; sign in again",
            Check::Issuer { .. }
            | Check::UnknownKey
            | Check::Algorithm { .. }
            | Check::Signature => {
                "the token was not issued by a trusted issuer with one of its keys; the server's log says which \
                 check failed"
            }
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token refused by check {}", self.code())?;
        if let Some(issuer) = &self.issuer {
            write!(f, ", issuer {issuer:?}")?;
        }
        if let Some(id) = &self.key_id {
            write!(f, ", key id {id:?}")?;
        }
        if let Some(grants) = &self.grants {
            for (name, value) in [("sub", grants.user()), ("token id", grants.token_id())] {
                if let Some(value) = value {
                    write!(f, ", {name} {:?}", super::shown(value))?;
                }
            }
        }
        write!(f, ": {}", self.check)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unix = |at: &SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        match self {
            Self::Header(why) | Self::Malformed(why) => f.write_str(why),
            Self::Issuer { iss: Some(iss) } => write!(
                f,
                "no trusted issuer has \"iss\" {iss:?} and keys for this purpose"
            ),
            Self::Issuer { iss: None } => f.write_str(
                "it has no \"iss\", and there is no trusted issuer without a name that has keys for this purpose",
            ),
            Self::UnknownKey => f.write_str("the issuer has no key with this id"),
            Self::Algorithm { alg } => {
                write!(f, "none of the issuer's keys with this id is for algorithm {alg:?}")
            }
            Self::Signature => f.write_str("the signature is not by any of the issuer's keys"),
            Self::Expired { at } => write!(f, "it expired at UNIX time {}", unix(at)),
            Self::NotYetValid { at } => write!(f, "it is valid from UNIX time {} on", unix(at)),
            Self::Audience { expected, .. } if expected.is_empty() => f.write_str(
                "an access token needs an audience, and none is set for the issuer; set --token-audience, or \
                 --mercure-url for a hub",
            ),
            Self::Audience {
                expected,
                found: Some(found),
            } => write!(f, "its \"aud\" is {found} and has none of {expected:?}"),
            Self::Audience { expected, .. } => {
                write!(f, "it has no \"aud\"; it needs one of {expected:?}")
            }
            Self::Claim { name, why } => write!(f, "claim {name:?} {why}"),
            Self::Revoked => f.write_str("it was revoked"),
        }
    }
}

impl std::error::Error for TokenError {}
