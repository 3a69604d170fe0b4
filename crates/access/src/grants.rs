//! What one client may do, as which user, and until when.
//!
//! ```
//! use sse_broadcaster_access::{Grants, Pattern, PatternSet};
//!
//! let grants = Grants::builder()
//!     .user("17")
//!     .subscribe(PatternSet::new([Pattern::selector("https://example.com/users/17/{+rest}")?])?)
//!     .build();
//! assert!(grants.may_subscribe("https://example.com/users/17/notes"));
//! assert!(!grants.may_subscribe("https://example.com/users/8/notes"));
//! assert!(!grants.may_publish("https://example.com/users/17/notes"));
//! # Ok::<_, sse_broadcaster_access::PatternError>(())
//! ```

use std::{
    hash::{Hash, Hasher},
    sync::{Arc, LazyLock},
    time::{Instant, SystemTime},
};

use serde_json::Value;

use crate::{intern::Interner, pattern::PatternSet};

mod builder;
#[cfg(test)]
mod grants_tests;

pub use builder::GrantsBuilder;

/// What one client may do. It never changes; equal ones share memory.
#[derive(Debug)]
pub struct Grants {
    claims: Claims,
    deadline: Option<Instant>,
}

/// All that makes two grants equal.
#[derive(Debug, Clone, Default, PartialEq)]
struct Claims {
    subscribe: PatternSet,
    publish: PatternSet,
    presence: PatternSet,
    user: Option<Arc<str>>,
    token_id: Option<Box<str>>,
    issuer: Option<Arc<str>>,
    key_id: Option<Arc<str>>,
    issued_at: Option<SystemTime>,
    expires_at: Option<SystemTime>,
    payloads: Vec<(PatternSet, Value)>,
    origin: Origin,
    is_admin: bool,
}

/// Where grants come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Origin {
    /// The client sent nothing that identifies it.
    #[default]
    Anonymous,
    /// Access is not restricted, or the client has a key of the server's operator.
    Operator,
    /// A token by the rules of any JWT, which are those of Mercure 0.x.
    Token,
    /// A token by the rules of Mercure 1.0: header `typ` is `at+jwt`.
    AccessToken,
    /// The application was asked.
    Application,
}

static SHARED: Interner<Grants> = Interner::new();
static ANONYMOUS: LazyLock<Arc<Grants>> = LazyLock::new(|| Grants::builder().build());

impl Grants {
    /// Builds grants, which are none at first.
    pub fn builder() -> GrantsBuilder {
        GrantsBuilder::default()
    }

    /// Those of a client that sent nothing: none.
    #[must_use]
    pub fn anonymous() -> Arc<Self> {
        ANONYMOUS.clone()
    }

    /// Everything, the rights of an operator included, without end.
    #[must_use]
    pub fn unrestricted() -> Arc<Self> {
        let all = PatternSet::all;
        Self::builder()
            .subscribe(all())
            .publish(all())
            .presence(all())
            .admin()
            .origin(Origin::Operator)
            .build()
    }

    /// Whether the client may read private events of the topic.
    #[must_use]
    pub fn may_subscribe(&self, topic: &str) -> bool {
        self.claims.subscribe.matches(topic)
    }

    /// Whether the client may publish to the topic.
    #[must_use]
    pub fn may_publish(&self, topic: &str) -> bool {
        self.claims.publish.matches(topic)
    }

    /// Whether the client may see who is on the topic.
    #[must_use]
    pub fn may_see_presence(&self, topic: &str) -> bool {
        self.claims.presence.matches(topic)
    }

    /// Topics whose private events the client may read.
    #[must_use]
    pub fn subscribe(&self) -> &PatternSet {
        &self.claims.subscribe
    }

    /// Topics to which the client may publish.
    #[must_use]
    pub fn publish(&self) -> &PatternSet {
        &self.claims.publish
    }

    /// Topics on which the client may see who is there.
    #[must_use]
    pub fn presence(&self) -> &PatternSet {
        &self.claims.presence
    }

    /// The user, `sub` of a token.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.claims.user.as_deref()
    }

    /// The same, to be shared by all that is kept about the client.
    #[must_use]
    pub fn shared_user(&self) -> Option<Arc<str>> {
        self.claims.user.clone()
    }

    /// `jti` of the token.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.claims.token_id.as_deref()
    }

    /// The name of the issuer in the settings.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.claims.issuer.as_deref()
    }

    /// The id of the key that signed the token, if the key has one.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.claims.key_id.as_deref()
    }

    /// `iat` of the token, or when the application answered.
    #[must_use]
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.claims.issued_at
    }

    /// When they end; `None` if they do not.
    #[must_use]
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.claims.expires_at
    }

    /// The same on the monotonic clock, as of when they were first built: for use during a stream.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether they have ended.
    #[must_use]
    pub fn is_expired(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| now >= deadline)
    }

    /// Data about the client for whom it may concern, given with the grants: for a subscription to `matcher`,
    /// the first that is for all or for topics that match the text of `matcher`. `null` is none.
    #[must_use]
    pub fn payload(&self, matcher: &str) -> Option<&Value> {
        let mut payloads = self.claims.payloads.iter();
        payloads
            .find(|(topics, _)| topics.matches(matcher))
            .map(|(_, payload)| payload)
            .filter(|payload| !payload.is_null())
    }

    /// Whether the client has the rights of an operator.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.claims.is_admin
    }

    /// Where they come from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.claims.origin
    }
}

impl PartialEq for Grants {
    fn eq(&self, other: &Self) -> bool {
        self.claims == other.claims
    }
}

impl Eq for Grants {}

impl Hash for Grants {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let claims = &self.claims;
        (&claims.subscribe, &claims.publish, &claims.presence).hash(state);
        (&claims.user, &claims.token_id).hash(state);
        (&claims.issuer, &claims.key_id).hash(state);
        (claims.issued_at, claims.expires_at).hash(state);
        (claims.origin, claims.is_admin).hash(state);
    }
}
