use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Check, MAX_TOKEN_BYTES, MIN_TOKEN_BYTES, TokenError};

#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) alg: String,
    typ: Option<String>,
    pub(super) kid: Option<String>,
    crit: Option<Value>,
    b64: Option<bool>,
}

/// A token that is not verified yet.
pub(crate) struct Parsed<'a> {
    pub(super) header: Header,
    pub(super) claims: Map<String, Value>,
    /// What is signed.
    pub(super) message: &'a str,
    pub(super) signature: &'a str,
}

impl<'a> Parsed<'a> {
    pub(crate) fn of(token: &'a str) -> Result<Self, TokenError> {
        let malformed = |why| TokenError::new(Check::Malformed(why));
        if token.len() < MIN_TOKEN_BYTES {
            return Err(malformed("it is shorter than 41 bytes"));
        }
        if token.len() > MAX_TOKEN_BYTES {
            return Err(malformed("it is longer than 8,192 bytes"));
        }
        let three_parts = || malformed("it does not have three parts with dots between them");
        let (message, signature) = token.rsplit_once('.').ok_or_else(three_parts)?;
        let (header, claims) = message.split_once('.').ok_or_else(three_parts)?;
        if claims.contains('.') {
            return Err(three_parts());
        }
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let header: Header = decode(header)
            .and_then(|json| serde_json::from_slice(&json).ok())
            .ok_or_else(|| malformed("its header is not JSON with an \"alg\", in base64url"))?;
        // What is critical must be understood, and nothing here is; an unencoded payload is another format.
        if header.crit.is_some() || header.b64 == Some(false) {
            return Err(malformed("its header has \"crit\" or \"b64\""));
        }
        let claims = decode(claims)
            .and_then(|json| serde_json::from_slice(&json).ok())
            .ok_or_else(|| malformed("its claims are not a JSON object in base64url"))?;
        if decode(signature).is_none_or(|signature| signature.is_empty()) {
            return Err(malformed("its signature is not base64url"));
        }
        Ok(Self {
            header,
            claims,
            message,
            signature,
        })
    }

    /// Whether the rules of Mercure 1.0 apply, which are those of RFC 9068.
    pub(crate) fn is_access_token(&self) -> bool {
        let is_it = |typ: &str| {
            typ.eq_ignore_ascii_case("at+jwt") || typ.eq_ignore_ascii_case("application/at+jwt")
        };
        self.header.typ.as_deref().is_some_and(is_it)
    }

    pub(crate) fn algorithm(&self) -> &str {
        &self.header.alg
    }

    pub(crate) fn key_id(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    pub(crate) fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }
}
