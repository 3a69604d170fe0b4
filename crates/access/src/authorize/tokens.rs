use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Instant, SystemTime},
};

use futures_util::future::{BoxFuture, FutureExt as _};
use parking_lot::RwLock;

use super::{Authorize, AuthorizeError, Credentials};
use crate::{
    cache::{Cache, DEFAULT_BYTES, DEFAULT_ENTRIES, Digest, digest_of},
    grants::Grants,
    issuer::{Issuer, Issuers, Purpose},
    jwks::FetchError,
    pattern::BaseUrl,
    revocation::Revocations,
    token::{self, Check, Context, Parsed, TokenError, Verified},
};

/// Verifies tokens. One that was verified is not verified again, until it ends, is revoked, or the keys change.
pub struct Tokens {
    current: RwLock<Current>,
    base: Option<BaseUrl>,
    revocations: Option<Arc<Revocations>>,
    cache: Cache<Arc<Grants>>,
    verified: AtomicU64,
}

/// The issuers, and how often they were replaced.
#[derive(Clone)]
struct Current {
    issuers: Issuers,
    reloads: u64,
}

impl Tokens {
    /// Tokens of these issuers.
    #[must_use]
    pub fn new(issuers: Issuers) -> Self {
        Self {
            current: RwLock::new(Current {
                issuers,
                reloads: 0,
            }),
            base: None,
            revocations: None,
            cache: Cache::new(DEFAULT_ENTRIES, DEFAULT_BYTES),
            verified: AtomicU64::new(0),
        }
    }

    /// URL patterns in tokens, and topics, are relative to this; without it to the resource that is asked for.
    #[must_use]
    pub fn with_base(mut self, base: BaseUrl) -> Self {
        self.base = Some(base);
        self
    }

    /// Tokens that these apply to are refused.
    #[must_use]
    pub fn with_revocations(mut self, revocations: Arc<Revocations>) -> Self {
        self.revocations = Some(revocations);
        self
    }

    /// How many verified tokens are kept, two million at most, and how many bytes they may take, estimated; 0 keeps none.
    #[must_use]
    pub fn with_cache(mut self, entries: usize, bytes: usize) -> Self {
        self.cache = Cache::new(entries, bytes);
        self
    }

    /// Replaces the issuers. A verification that is running counts as one with the old keys, and is not kept.
    pub fn reload(&self, issuers: Issuers) {
        let mut current = self.current.write();
        let before = std::mem::replace(&mut current.issuers, issuers);
        current.reloads += 1;
        drop(current);
        drop(before);
        self.cache.clear();
    }

    /// The issuers.
    #[must_use]
    pub fn issuers(&self) -> Issuers {
        self.current.read().issuers.clone()
    }

    /// How many verifications there were, of good and of bad tokens: all that were not found in the cache.
    #[must_use]
    pub fn verified(&self) -> u64 {
        self.verified.load(Ordering::Relaxed)
    }

    /// Fetches all key sets that are by URL, however short ago the last request was: at the start, and when an operator
    /// requests it.
    ///
    /// Returns what could not be fetched.
    pub async fn fetch_keys(&self) -> Vec<FetchError> {
        let issuers = self.issuers();
        let mut sets: Vec<_> = issuers.iter().filter_map(Issuer::key_set_url).collect();
        // Several issuers may share one.
        sets.sort_by_key(|set| set.url().as_str());
        sets.dedup_by_key(|set| set.url());
        let mut errors = Vec::new();
        for set in sets {
            if let Err(why) = set.fetch_now().await {
                errors.push(why);
            }
        }
        errors
    }

    /// Verifies a token with the keys that are known, or finds it verified. Blocks for as long as a signature
    /// takes, at most some 200 µs.
    ///
    /// # Errors
    /// The first check that it fails.
    pub fn verify_now(
        &self,
        token: &str,
        purpose: Purpose,
        resource: Option<&str>,
    ) -> Result<Arc<Grants>, TokenError> {
        let current = self.current.read().clone();
        // Before the keys are read: if they change meanwhile, what is kept is not found with the new ones.
        let key = key_of(token, purpose, resource, &current);
        let now = Instant::now();
        let known = self.cache.get(&key, now);
        // Past `exp`, but within the leeway, what is accepted has another end.
        if let Some(known) = known.filter(|known| !known.is_expired(now)) {
            return self.unless_revoked(known, None);
        }
        let of_resource = match (&self.base, resource) {
            (None, Some(resource)) => BaseUrl::parse(resource).ok(),
            _ => None,
        };
        let context = Context {
            purpose,
            resource,
            base: self.base.as_ref().or(of_resource.as_ref()),
            now: SystemTime::now(),
        };
        self.verified.fetch_add(1, Ordering::Relaxed);
        let verified = token::verify(token, &current.issuers, context)?;
        self.keep(key, token, &verified);
        self.unless_revoked(verified.grants, verified.key_id.as_deref())
    }

    fn keep(&self, key: Digest, token: &str, verified: &Verified) {
        let until = verified.until.map(|until| {
            let left = until.duration_since(SystemTime::now()).unwrap_or_default();
            Instant::now() + left
        });
        // Claims take some more as grants than as text.
        let bytes = 512 + 2 * token.len();
        self.cache.put(key, verified.grants.clone(), until, bytes);
    }

    fn unless_revoked(
        &self,
        grants: Arc<Grants>,
        key_id: Option<&str>,
    ) -> Result<Arc<Grants>, TokenError> {
        match &self.revocations {
            Some(revocations) if revocations.is_revoked(&grants) => {
                let why = TokenError::new(Check::Revoked).with_key_id(key_id);
                let why = match grants.issuer() {
                    Some(issuer) => why.of_issuer(issuer.into()),
                    None => why,
                };
                Err(why.of_grants(grants))
            }
            _ => Ok(grants),
        }
    }

    /// Verifies a token; a key set that may have its key, if it is not known, is fetched first.
    ///
    /// # Errors
    /// The first check that it fails; [`AuthorizeError::Unreachable`], if no key of its issuer was ever fetched.
    pub async fn verify(
        &self,
        token: &str,
        purpose: Purpose,
        resource: Option<&str>,
    ) -> Result<Arc<Grants>, AuthorizeError> {
        self.fetch_old_keys();
        let why = match self.verify_now(token, purpose, resource) {
            Ok(grants) => return Ok(grants),
            Err(why) => why,
        };
        let parsed = match why.check() {
            Check::UnknownKey | Check::Signature => Parsed::of(token)?,
            _ => return Err(why.into()),
        };
        // A token without a key id may be by any key, also by a new one.
        if *why.check() == Check::Signature && parsed.key_id().is_some() {
            return Err(why.into());
        }
        let issuers = self.issuers();
        let candidates = parsed.issuers(&issuers, purpose)?;
        let sets = candidates.iter().filter_map(|issuer| issuer.key_set_url());
        let mut failed = None;
        for set in sets {
            if let Err(why) = set.fetch().await
                && set.current().is_empty()
            {
                failed = Some(why);
            }
        }
        match (self.verify_now(token, purpose, resource), failed) {
            (Err(why), Some(failed)) if *why.check() == Check::UnknownKey => {
                Err(AuthorizeError::Unreachable(failed.to_string()))
            }
            (verified, _) => verified.map_err(Into::into),
        }
    }

    /// Starts to fetch what is old, and does not wait for it.
    fn fetch_old_keys(&self) {
        let current = self.current.read();
        let urls = current
            .issuers
            .iter()
            .filter_map(|issuer| issuer.key_set_url());
        for url in urls.filter(|url| url.is_old()) {
            let url = url.clone();
            tokio::spawn(async move {
                match url.fetch().await {
                    Ok(()) | Err(FetchError::TooSoon { .. }) => {}
                    Err(why) => log::warn!("{why}; the keys of before are used on"),
                }
            });
        }
    }
}

/// The same token may be right for one purpose or resource, or with the keys of before, and wrong for another.
fn key_of(token: &str, purpose: Purpose, resource: Option<&str>, current: &Current) -> Digest {
    let purpose: &[u8] = match purpose {
        Purpose::Subscribe => b"subscribe",
        Purpose::Publish => b"publish",
    };
    digest_of(&[
        &current.reloads.to_le_bytes(),
        &current.issuers.version().to_le_bytes(),
        purpose,
        resource.unwrap_or_default().as_bytes(),
        token.as_bytes(),
    ])
}

impl Authorize for Tokens {
    fn authorize<'a>(
        &'a self,
        credentials: &'a Credentials<'a>,
    ) -> BoxFuture<'a, Result<Arc<Grants>, AuthorizeError>> {
        async move {
            let Some((_, token)) = credentials.token()? else {
                return Ok(Grants::anonymous());
            };
            self.verify(token, credentials.purpose(), credentials.audience())
                .await
        }
        .boxed()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("issuers", &self.issuers())
            .finish_non_exhaustive()
    }
}
