use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::{
    grants::Grants,
    pattern::{Pattern, PatternKind, PatternSet},
};

/// Since 1970.
pub(super) type Millis = u64;

/// Which grants are revoked: those that meet all of its conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    #[serde(rename = "sub", default, skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<Box<str>>,
    #[serde(rename = "jti", default, skip_serializing_if = "Option::is_none")]
    pub(super) token_id: Option<Box<str>>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "super::topic"
    )]
    topic: Option<Pattern>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "super::seconds"
    )]
    pub(super) issued_before: Option<Millis>,
    /// UNIX seconds; set when it is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<u64>,
}

impl Rule {
    /// Without conditions, which cannot be added yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only grants of this user.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Only the token with this id.
    #[must_use]
    pub fn token_id(mut self, id: &str) -> Self {
        self.token_id = Some(id.into());
        self
    }

    /// Only grants for a topic that this pattern matches. Of two templates or URL patterns it cannot be told
    /// whether some topic matches both: if they might, the grants are revoked.
    #[must_use]
    pub fn topic(mut self, topic: Pattern) -> Self {
        self.topic = Some(topic);
        self
    }

    /// Only grants that were issued before, and those that do not say when. A rule without a token id and without
    /// this has the time at which it is added, so that the user can sign in again. Tokens have whole seconds: one
    /// that is issued in the same second is revoked too.
    #[must_use]
    pub fn issued_before(mut self, at: SystemTime) -> Self {
        self.issued_before = Some(millis(at));
        self
    }

    /// When the rule ends, once it was added.
    #[must_use]
    pub fn ends_at(&self) -> Option<SystemTime> {
        self.until
            .map(|until| UNIX_EPOCH + Duration::from_secs(until))
    }

    pub(super) fn applies_to(&self, grants: &Grants, now: u64) -> bool {
        let is_user = |user: &str| grants.user() == Some(user);
        let is_token = |id: &str| grants.token_id() == Some(id);
        let is_before = |before: Millis| {
            let issued = grants.issued_at().map(millis);
            issued.is_none_or(|issued| issued < before)
        };
        let reaches = |topic: &Pattern| {
            let sets = [grants.subscribe(), grants.publish(), grants.presence()];
            sets.into_iter().any(|set| may_reach(set, topic))
        };
        self.until.is_none_or(|until| now < until)
            && self.user.as_deref().is_none_or(is_user)
            && self.token_id.as_deref().is_none_or(is_token)
            && self.issued_before.is_none_or(is_before)
            && self.topic.as_ref().is_none_or(reaches)
    }

    /// But for when grants were issued.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.user == other.user && self.token_id == other.token_id && self.topic == other.topic
    }
}

pub(super) fn unix(at: SystemTime) -> u64 {
    millis(at) / 1_000
}

pub(super) fn millis(at: SystemTime) -> Millis {
    let since_epoch = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

/// Whether some topic may match both the set and the pattern.
fn may_reach(set: &PatternSet, topic: &Pattern) -> bool {
    let is_exact = |pattern: &Pattern| pattern.kind() == PatternKind::Exact;
    let meets = |granted: &Pattern| {
        if is_exact(granted) {
            return topic.matches(granted.text());
        }
        if is_exact(topic) {
            return granted.matches(topic.text());
        }
        match (granted.literal_prefix(), topic.literal_prefix()) {
            (Some(granted), Some(topic)) => {
                granted.starts_with(topic) || topic.starts_with(granted)
            }
            _ => true,
        }
    };
    set.iter().any(meets)
}

/// Why a rule was not added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// It would revoke everything ever issued, now and later.
    #[error("a revocation needs at least one of \"sub\", \"jti\", \"topic\" and \"issued_before\"")]
    NoCondition,
    /// There are as many as there may be.
    #[error(
        "there are {max} revocations of this kind already; revoke by \"issued_before\", or change the keys"
    )]
    Full {
        /// How many there may be.
        max: usize,
    },
}

impl RuleError {
    /// Stable and machine-readable.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoCondition => "revocation_without_condition",
            Self::Full { .. } => "too_many_revocations",
        }
    }
}
