//! Tokens: JSON Web Tokens, verified, and what their claims grant.
//!
//! Three claims are accepted on every route:
//! - ours: `{"sub": "17", "sse": {"subscribe": ["https://example.com/users/17/{+rest}"], "publish": [], "presence":
//!   ["*"]}}`; an entry is a text (`*`, a template if it has a `{`, else exact), `{"exact": "…"}` or
//!   `{"urlpattern": "…"}`;
//! - Mercure 0.x: `mercure`, or `https://mercure.rocks/`, which wins;
//! - Mercure 1.0: `authorization_details`, in tokens whose header has the `typ` `at+jwt`.
//!
//! A token with that `typ` must have `iss`, `exp` and `aud`, and its claim `mercure` is ignored: it never falls back
//! to the rules of other tokens. Keys and addresses in a header (`jwk`, `jku`, `x5u`) are ignored in every token.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jsonwebtoken::Algorithm;

use crate::{
    grants::{Grants, Origin},
    issuer::{Issuer, Issuers, Purpose},
    keys::Key,
    pattern::BaseUrl,
};

mod claims;
mod details;
mod error;
mod grants;
#[cfg(test)]
mod mutation_tests;
mod parsed;
#[cfg(test)]
mod token_tests;
mod topics;

use claims::{audience_is_one_of, text, time};
pub use error::{Check, TokenError};
pub use grants::without_effect;
pub(crate) use grants::{has_mercure_claim, read_plain, unknown_in_plain};
pub(crate) use parsed::Parsed;

/// Shortest text of a token.
pub const MIN_TOKEN_BYTES: usize = 41;
/// Longest text of a token.
pub const MAX_TOKEN_BYTES: usize = 8 << 10;
/// Most keys that are tried for one token. With a key id in the token it is nearly always one.
const MAX_TRIES: usize = 16;

/// What is known of where and how a token is used.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// For what.
    pub purpose: Purpose,
    /// The public URL of what is asked for. A token of Mercure 1.0 must have it in `aud`, unless its issuer
    /// has audiences in the settings.
    pub resource: Option<&'a str>,
    /// What URL patterns and topics are relative to.
    pub base: Option<&'a BaseUrl>,
    /// The time.
    pub now: SystemTime,
}

/// A verified token.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Verified {
    /// What it grants.
    pub grants: Arc<Grants>,
    /// Until when it is accepted: `exp` and the leeway.
    pub until: Option<SystemTime>,
    /// The issuer's name in the settings.
    pub issuer: Arc<str>,
    /// The id of the key that signed it, if that has one.
    pub key_id: Option<Arc<str>>,
}

/// Whether the rules of Mercure 1.0 apply to a token, as its header says, whether it is right or not: to answer in
/// the way that its client expects.
#[must_use]
pub fn is_access_token(token: &str) -> bool {
    Parsed::of(token).is_ok_and(|parsed| parsed.is_access_token())
}

/// Verifies a token. It blocks for as long as the signature takes, some 10 to 200 µs.
///
/// # Errors
/// The first check that it fails.
pub fn verify(
    token: &str,
    issuers: &Issuers,
    context: Context<'_>,
) -> Result<Verified, TokenError> {
    let parsed = Parsed::of(token)?;
    let verified = parsed.verify(issuers, context);
    verified.map_err(|why| match why.key_id() {
        Some(_) => why,
        None => why.with_key_id(parsed.header.kid.as_deref()),
    })
}

impl Parsed<'_> {
    fn verify(&self, issuers: &Issuers, context: Context<'_>) -> Result<Verified, TokenError> {
        let mut furthest: Option<TokenError> = None;
        for issuer in self.issuers(issuers, context.purpose)? {
            let why = match self.signed_by(issuer) {
                Ok(key_id) => {
                    let verified = self.check_claims(issuer, key_id.clone(), context);
                    let with_key = |why: TokenError| why.with_key_id(key_id.as_deref());
                    return verified.map_err(|why| with_key(why).of_issuer(issuer.shared_name()));
                }
                Err(check) => TokenError::new(check).of_issuer(issuer.shared_name()),
            };
            let is_further = |other: &TokenError| why.check().rank() > other.check().rank();
            if furthest.as_ref().is_none_or(is_further) {
                furthest = Some(why);
            }
        }
        Err(furthest.unwrap_or_else(|| TokenError::new(Check::UnknownKey)))
    }

    /// Those whose keys are tried.
    pub(crate) fn issuers<'i>(
        &self,
        issuers: &'i Issuers,
        purpose: Purpose,
    ) -> Result<Vec<&'i Issuer>, TokenError> {
        let iss = text(&self.claims, "iss")?;
        let candidates = match iss {
            Some(iss) if self.is_access_token() => issuers.named(iss, purpose),
            None if self.is_access_token() => Vec::new(),
            iss => issuers.candidates(iss, purpose),
        };
        if candidates.is_empty() {
            let iss = iss.map(shown);
            return Err(TokenError::new(Check::Issuer { iss }));
        }
        Ok(candidates)
    }

    /// The id of the issuer's key that signed it.
    fn signed_by(&self, issuer: &Issuer) -> Result<Option<Arc<str>>, Check> {
        let wrong_algorithm = || Check::Algorithm {
            alg: shown(&self.header.alg),
        };
        let keys = issuer.keys();
        let mut candidates = keys.candidates(self.key_id()).peekable();
        if candidates.peek().is_none() {
            return Err(Check::UnknownKey);
        }
        // RFC 9864 gives EdDSA with Ed25519 a name of its own.
        let algorithm = match &*self.header.alg {
            "Ed25519" => Algorithm::EdDSA,
            name => name.parse().map_err(|_| wrong_algorithm())?,
        };
        let mut allowed = candidates.filter(|key| key.allows(algorithm)).peekable();
        if allowed.peek().is_none() {
            return Err(wrong_algorithm());
        }
        let signer = allowed
            .take(MAX_TRIES)
            .find(|key| key.verifies(self.message, self.signature, algorithm));
        signer.map(Key::shared_id).ok_or(Check::Signature)
    }

    fn check_claims(
        &self,
        issuer: &Issuer,
        key_id: Option<Arc<str>>,
        context: Context<'_>,
    ) -> Result<Verified, TokenError> {
        let (claims, leeway, now) = (&self.claims, issuer.clock_leeway(), context.now);
        let expires_at = time(claims, "exp")?;
        if expires_at.is_none() && (self.is_access_token() || issuer.requires_expiry()) {
            return Err(TokenError::claim("exp", "is missing"));
        }
        let until = expires_at.map(|at| at + leeway);
        if let (Some(at), Some(until)) = (expires_at, until)
            && now >= until
        {
            return Err(TokenError::new(Check::Expired { at }));
        }
        if let Some(at) = time(claims, "nbf")?
            && now + leeway < at
        {
            return Err(TokenError::new(Check::NotYetValid { at }));
        }
        let issued_at = time(claims, "iat")?;
        // Revocations are by when a token was issued: one of the future would escape them, and pass for short-lived.
        if let Some(at) = issued_at.filter(|at| now + leeway < *at) {
            return Err(TokenError::new(Check::NotYetValid { at }));
        }
        if let Some(max) = issuer.max_lifetime() {
            check_lifetime(issued_at, expires_at, max)?;
        }
        self.check_audience(issuer, context.resource)?;
        let mut builder =
            Grants::builder()
                .issuer(issuer.shared_name())
                .origin(if self.is_access_token() {
                    Origin::AccessToken
                } else {
                    Origin::Token
                });
        if let Some(user) = text(claims, "sub")? {
            builder = builder.user(user);
        }
        if let Some(id) = text(claims, "jti")? {
            builder = builder.token_id(id);
        }
        if let Some(id) = &key_id {
            builder = builder.key_id(Arc::clone(id));
        }
        if let Some(at) = issued_at {
            builder = builder.issued_at(at);
        }
        // Within the leeway the clock here may be the wrong one: then what was accepted is not cut at once.
        if let Some(at) = expires_at.filter(|at| *at > now).or(until) {
            builder = builder.expires_at(at);
        }
        let grants = grants::read(claims, self.is_access_token(), context.base, builder)?;
        Ok(Verified {
            grants,
            until,
            issuer: issuer.shared_name(),
            key_id,
        })
    }

    fn check_audience(&self, issuer: &Issuer, resource: Option<&str>) -> Result<(), TokenError> {
        let of_settings = issuer.audiences().iter().map(|audience| &**audience);
        let mut expected: Vec<&str> = of_settings.collect();
        if expected.is_empty() {
            if !self.is_access_token() {
                return Ok(());
            }
            expected.extend(resource);
        }
        if audience_is_one_of(&self.claims, &expected)? {
            return Ok(());
        }
        let expected = expected.into_iter().map(ToOwned::to_owned).collect();
        let found = self.claims.get("aud");
        let found = found.map(|aud| shown(&aud.to_string()));
        Err(TokenError::new(Check::Audience { expected, found }))
    }
}

/// Without `iat` a token could be presented for the first time long after a revocation that applies to it has ended.
fn check_lifetime(
    issued_at: Option<SystemTime>,
    expires_at: Option<SystemTime>,
    max: Duration,
) -> Result<(), TokenError> {
    let seconds = max.as_secs();
    let issued_at = issued_at.ok_or_else(|| {
        TokenError::claim(
            "iat",
            format!("is missing; a token may last {seconds} s from then"),
        )
    })?;
    match expires_at {
        Some(at) if at <= issued_at + max => Ok(()),
        _ => Err(TokenError::claim(
            "exp",
            format!("is more than {seconds} s after \"iat\", the longest that a token may last"),
        )),
    }
}

/// What a token says, for a log: short, so that no log is flooded.
pub(crate) fn shown(text: &str) -> String {
    const MAX_CHARS: usize = 100;
    match text.char_indices().nth(MAX_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Dates far away are as good as the end of the year 9999.
const LAST_DATE: Duration = Duration::from_secs(253_402_300_799);

/// The time that a claim with seconds since 1970 names.
pub(crate) fn from_unix(seconds: f64) -> SystemTime {
    let seconds = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(LAST_DATE);
    UNIX_EPOCH + seconds.min(LAST_DATE)
}
