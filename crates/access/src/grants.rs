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
    time::{Duration, Instant, SystemTime},
};

use serde_json::Value;

use crate::{intern::Interner, pattern::PatternSet};

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
    issued_at: Option<SystemTime>,
    expires_at: Option<SystemTime>,
    payloads: Vec<(PatternSet, Value)>,
    origin: Origin,
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
        GrantsBuilder(Claims::default())
    }

    /// Those of a client that sent nothing: none.
    #[must_use]
    pub fn anonymous() -> Arc<Self> {
        ANONYMOUS.clone()
    }

    /// Everything, without end.
    #[must_use]
    pub fn unrestricted() -> Arc<Self> {
        let all = PatternSet::all;
        Self::builder()
            .subscribe(all())
            .publish(all())
            .presence(all())
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
        (&claims.user, &claims.token_id, &claims.issuer).hash(state);
        (claims.issued_at, claims.expires_at, claims.origin).hash(state);
    }
}

/// Builds [`Grants`].
#[derive(Debug, Clone)]
#[must_use]
pub struct GrantsBuilder(Claims);

impl GrantsBuilder {
    /// Topics whose private events the client may read.
    pub fn subscribe(mut self, topics: PatternSet) -> Self {
        self.0.subscribe = topics;
        self
    }

    /// Topics to which the client may publish.
    pub fn publish(mut self, topics: PatternSet) -> Self {
        self.0.publish = topics;
        self
    }

    /// Topics on which the client may see who is there.
    pub fn presence(mut self, topics: PatternSet) -> Self {
        self.0.presence = topics;
        self
    }

    /// Who the client is.
    pub fn user(mut self, user: impl Into<Arc<str>>) -> Self {
        self.0.user = Some(user.into());
        self
    }

    /// The id of the token.
    pub fn token_id(mut self, id: impl Into<Box<str>>) -> Self {
        self.0.token_id = Some(id.into());
        self
    }

    /// The name of the issuer in the settings.
    pub fn issuer(mut self, issuer: impl Into<Arc<str>>) -> Self {
        self.0.issuer = Some(issuer.into());
        self
    }

    /// When they were given.
    pub fn issued_at(mut self, at: SystemTime) -> Self {
        self.0.issued_at = Some(at);
        self
    }

    /// When they end.
    pub fn expires_at(mut self, at: SystemTime) -> Self {
        self.0.expires_at = Some(at);
        self
    }

    /// Data about the client, for subscriptions to all topics that no earlier data is for.
    pub fn payload(self, payload: Value) -> Self {
        self.payload_for(PatternSet::all(), payload)
    }

    /// Data about the client, for subscriptions to these topics that no earlier data is for.
    pub fn payload_for(mut self, topics: PatternSet, payload: Value) -> Self {
        self.0.payloads.push((topics, payload));
        self
    }

    /// Where they come from.
    pub fn origin(mut self, origin: Origin) -> Self {
        self.0.origin = origin;
        self
    }

    /// The grants; those that are in use already, if they are equal.
    #[must_use]
    pub fn build(mut self) -> Arc<Grants> {
        self.0.payloads.shrink_to_fit();
        let deadline = self.0.expires_at.and_then(|expires_at| {
            let left = expires_at.duration_since(SystemTime::now());
            Instant::now().checked_add(left.unwrap_or(Duration::ZERO))
        });
        SHARED.intern(Grants {
            claims: self.0,
            deadline,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Pattern;

    fn set(topics: &[&str]) -> PatternSet {
        let patterns = topics.iter().map(|text| Pattern::selector(text).unwrap());
        PatternSet::new(patterns).unwrap()
    }

    #[test]
    fn each_action_has_topics_of_its_own_and_nothing_is_granted_by_default() {
        let grants = Grants::builder()
            .subscribe(set(&["a", "b/{id}"]))
            .publish(set(&["c"]))
            .presence(set(&["d"]))
            .build();
        for (topic, may) in [
            ("a", (true, false, false)),
            ("b/1", (true, false, false)),
            ("c", (false, true, false)),
            ("d", (false, false, true)),
            ("e", (false, false, false)),
        ] {
            let given = (
                grants.may_subscribe(topic),
                grants.may_publish(topic),
                grants.may_see_presence(topic),
            );
            assert_eq!(given, may, "{topic}");
            assert!(!Grants::anonymous().may_subscribe(topic));
            assert!(!Grants::anonymous().may_publish(topic));
            assert!(!Grants::anonymous().may_see_presence(topic));
            assert!(Grants::unrestricted().may_publish(topic));
        }
    }

    #[test]
    fn equal_grants_share_memory_and_others_do_not() {
        let build = |user: &str, payload: i32| {
            Grants::builder()
                .user(user)
                .subscribe(set(&["a", "b"]))
                .expires_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40))
                .payload(json!(payload))
                .build()
        };
        let one = build("1", 1);
        assert!(Arc::ptr_eq(&one, &build("1", 1)));
        assert!(!Arc::ptr_eq(&one, &build("2", 1)));
        assert!(!Arc::ptr_eq(&one, &build("1", 2)));
        assert!(one.subscribe().is_same(build("2", 1).subscribe()));
        assert!(one.subscribe().is_same(&set(&["b", "a", "b"])));
    }

    #[test]
    fn grants_end_at_their_deadline() {
        let now = Instant::now();
        let of = |expires_at| Grants::builder().expires_at(expires_at).build();
        let hour = Duration::from_secs(3600);
        let grants = of(SystemTime::now() + hour);
        assert!(!grants.is_expired(now));
        assert!(grants.is_expired(now + 2 * hour));
        assert!(of(SystemTime::now() - hour).is_expired(Instant::now()));
        assert!(!Grants::anonymous().is_expired(now + 1_000_000 * hour));
    }

    #[test]
    fn the_first_payload_whose_topics_match_the_matcher_is_given() {
        let grants = Grants::builder()
            .payload_for(set(&["a", "b/{id}"]), json!("of a"))
            .payload(json!("of all"))
            .build();
        assert_eq!(grants.payload("a"), Some(&json!("of a")));
        assert_eq!(grants.payload("b/{id}"), Some(&json!("of a")));
        assert_eq!(grants.payload("c"), Some(&json!("of all")));
        assert_eq!(Grants::anonymous().payload("a"), None);
    }
}
