//! Who may issue tokens: several, each with keys, names and rules of its own.
//!
//! ```
//! use sse_broadcaster_access::{issuer::{Issuer, Issuers}, keys::Keys};
//!
//! let keys = Keys::parse("HS256 0123456789abcdef0123456789abcdef")?;
//! let issuer = Issuer::new("login", keys)
//!     .iss("https://login.example.com/")
//!     .audience("https://events.example.com/");
//! let issuers = Issuers::new([issuer]);
//! # Ok::<_, sse_broadcaster_access::keys::KeyError>(())
//! ```

use std::{sync::Arc, time::Duration};

use crate::{jwks::KeySetUrl, keys::Keys};

/// How far clocks may differ, unless set otherwise.
pub const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);

/// Most that it can be set to.
pub const MAX_LEEWAY: Duration = Duration::from_secs(3_600);

/// For what a token is used. Mercure 0.x has a key for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To read: streams, history, signals, presence, subscriptions.
    Subscribe,
    /// To write.
    Publish,
}

/// For what the keys of an issuer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Role {
    /// For everything.
    #[default]
    Any,
    /// Only for reading, as the subscriber key of Mercure 0.x.
    Subscriber,
    /// Only for writing, as the publisher key of Mercure 0.x.
    Publisher,
}

impl Role {
    fn fits(self, purpose: Purpose) -> bool {
        match self {
            Self::Any => true,
            Self::Subscriber => purpose == Purpose::Subscribe,
            Self::Publisher => purpose == Purpose::Publish,
        }
    }
}

/// One issuer of tokens.
#[derive(Debug, Clone)]
pub struct Issuer {
    name: Arc<str>,
    iss: Option<Box<str>>,
    audiences: Vec<Box<str>>,
    leeway: Duration,
    requires_expiry: bool,
    longest_lifetime: Option<Duration>,
    role: Role,
    keys: KeySource,
}

/// Where an issuer's keys come from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum KeySource {
    /// From the settings or a file.
    Fixed(Keys),
    /// From a URL in the settings.
    Url(KeySetUrl),
}

impl From<Keys> for KeySource {
    fn from(keys: Keys) -> Self {
        Self::Fixed(keys)
    }
}

impl From<KeySetUrl> for KeySource {
    fn from(url: KeySetUrl) -> Self {
        Self::Url(url)
    }
}

impl Issuer {
    /// An issuer whose tokens end: `exp` is required. `name` is for logs and for
    /// [`Grants::issuer`](crate::Grants::issuer).
    #[must_use]
    pub fn new(name: &str, keys: impl Into<KeySource>) -> Self {
        Self {
            name: name.into(),
            iss: None,
            audiences: Vec::new(),
            leeway: DEFAULT_LEEWAY,
            requires_expiry: true,
            longest_lifetime: None,
            role: Role::Any,
            keys: keys.into(),
        }
    }

    /// Its tokens have this claim `iss`, and only its keys count for such tokens. Required for Mercure 1.0.
    #[must_use]
    pub fn iss(mut self, iss: &str) -> Self {
        self.iss = Some(iss.into());
        self
    }

    /// Its tokens must have one of the audiences added here in `aud`.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// How far the issuer's clock may differ from this one, at most [`MAX_LEEWAY`].
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway.min(MAX_LEEWAY);
        self
    }

    /// Tokens without `exp` are accepted, as Mercure 0.x has them. Such tokens never end.
    #[must_use]
    pub fn without_expiry(mut self) -> Self {
        self.requires_expiry = false;
        self
    }

    /// Its tokens end at most this long after they were issued, so that a revocation need not be kept for longer:
    /// `iat` is required, and tokens that last longer are refused.
    #[must_use]
    pub fn longest_lifetime(mut self, lifetime: Duration) -> Self {
        self.longest_lifetime = Some(lifetime);
        self
    }

    /// For what its keys are.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// Its name for logs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        self.name.clone()
    }

    pub(crate) fn audiences(&self) -> &[Box<str>] {
        &self.audiences
    }

    pub(crate) fn clock_leeway(&self) -> Duration {
        self.leeway
    }

    pub(crate) fn requires_expiry(&self) -> bool {
        self.requires_expiry
    }

    pub(crate) fn max_lifetime(&self) -> Option<Duration> {
        self.longest_lifetime
    }

    pub(crate) fn keys(&self) -> Keys {
        match &self.keys {
            KeySource::Fixed(keys) => keys.clone(),
            KeySource::Url(url) => url.current(),
        }
    }

    pub(crate) fn key_set_url(&self) -> Option<&KeySetUrl> {
        match &self.keys {
            KeySource::Fixed(_) => None,
            KeySource::Url(url) => Some(url),
        }
    }
}

/// All issuers that are trusted. Cloning copies a pointer.
#[derive(Debug, Clone, Default)]
pub struct Issuers(Arc<[Issuer]>);

impl Issuers {
    /// These issuers.
    #[must_use]
    pub fn new(issuers: impl IntoIterator<Item = Issuer>) -> Self {
        Self(issuers.into_iter().collect())
    }

    /// Whether none is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each issuer.
    pub fn iter(&self) -> std::slice::Iter<'_, Issuer> {
        self.0.iter()
    }

    /// Raised whenever a key set by URL was replaced.
    pub(crate) fn version(&self) -> u64 {
        let urls = self.iter().filter_map(Issuer::key_set_url);
        urls.map(KeySetUrl::version).sum()
    }

    /// Those whose keys may have signed a token with this claim `iss`: the ones of that name alone; for a
    /// token that names none, or one that nobody here has, the ones without a name.
    ///
    /// What the token says only chooses among these; it is not verified yet.
    pub(crate) fn candidates(&self, iss: Option<&str>, purpose: Purpose) -> Vec<&Issuer> {
        let is_known = iss.is_some() && self.iter().any(|issuer| issuer.iss.as_deref() == iss);
        self.of(iss.filter(|_| is_known), purpose)
    }

    /// Those with exactly this claim.
    pub(crate) fn named(&self, iss: &str, purpose: Purpose) -> Vec<&Issuer> {
        self.of(Some(iss), purpose)
    }

    fn of(&self, iss: Option<&str>, purpose: Purpose) -> Vec<&Issuer> {
        let is_it = |issuer: &&Issuer| issuer.iss.as_deref() == iss && issuer.role.fits(purpose);
        self.iter().filter(is_it).collect()
    }
}

impl<'a> IntoIterator for &'a Issuers {
    type Item = &'a Issuer;
    type IntoIter = std::slice::Iter<'a, Issuer>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
