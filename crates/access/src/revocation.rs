//! Grants that end before their time: by user, token id, topic or when they were issued.
//!
//! A rule ends by itself once every token that it could apply to has ended. Rules are plain data for the caller to
//! keep and to spread over nodes; adding one again changes nothing, so the order does not matter.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use sse_broadcaster_access::{Grants, revocation::{Revocations, Rule}};
//!
//! let revocations = Revocations::new(Duration::from_secs(86_400));
//! let issued = SystemTime::now() - Duration::from_secs(60);
//! let grants = Grants::builder().user("17").issued_at(issued).build();
//! assert!(!revocations.is_revoked(&grants));
//!
//! let rule = revocations.add(Rule::new().user("17"))?;
//! assert!(revocations.is_revoked(&grants));
//! let kept = serde_json::to_string(&rule)?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use crate::{
    grants::Grants,
    pattern::{Pattern, PatternKind, PatternSet},
};

#[cfg(test)]
mod revocation_tests;
mod seconds;
mod topic;

/// Most rules at a time.
pub const MAX_RULES: usize = 10_000;
/// Most of them that name neither user nor token id, and so are looked at for all grants.
pub const MAX_BROAD_RULES: usize = 1_000;

/// Since 1970.
type Millis = u64;

/// Which grants are revoked: those that meet all of its conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    #[serde(rename = "sub", default, skip_serializing_if = "Option::is_none")]
    user: Option<Box<str>>,
    #[serde(rename = "jti", default, skip_serializing_if = "Option::is_none")]
    token_id: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "topic")]
    topic: Option<Pattern>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "seconds")]
    issued_before: Option<Millis>,
    /// UNIX seconds; set when it is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
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

    fn applies_to(&self, grants: &Grants, now: u64) -> bool {
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
    fn is_same(&self, other: &Self) -> bool {
        self.user == other.user && self.token_id == other.token_id && self.topic == other.topic
    }
}

fn unix(at: SystemTime) -> u64 {
    millis(at) / 1_000
}

fn millis(at: SystemTime) -> Millis {
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

/// All rules in force.
#[derive(Debug)]
pub struct Revocations {
    rules: RwLock<Rules>,
    count: AtomicUsize,
    generation: AtomicU64,
    longest_lifetime: Duration,
}

#[derive(Debug, Default)]
struct Rules {
    by_token: HashMap<Box<str>, Vec<Rule>>,
    by_user: HashMap<Box<str>, Vec<Rule>>,
    broad: Vec<Rule>,
}

impl Revocations {
    /// No rules yet. Each ends `longest_lifetime` after it was added: the longest that a token is valid, with
    /// leeway. Tokens that never end are revoked for no longer.
    #[must_use]
    pub fn new(longest_lifetime: Duration) -> Self {
        Self {
            rules: RwLock::default(),
            count: AtomicUsize::new(0),
            generation: AtomicU64::new(0),
            longest_lifetime,
        }
    }

    /// Adds a rule, and returns it with its end, for the caller to keep. A rule with the same conditions is
    /// replaced, if this one revokes more. One that has ended already is not added.
    ///
    /// # Errors
    /// No condition, or too many rules.
    pub fn add(&self, mut rule: Rule) -> Result<Rule, RuleError> {
        let now = SystemTime::now();
        if rule.is_same(&Rule::new()) && rule.issued_before.is_none() {
            return Err(RuleError::NoCondition);
        }
        if rule.token_id.is_none() && rule.issued_before.is_none() {
            rule = rule.issued_before(now);
        }
        let now = unix(now);
        let end = || {
            now.saturating_add(self.longest_lifetime.as_secs())
                .saturating_add(1)
        };
        let until = *rule.until.get_or_insert_with(end);
        if until <= now {
            return Ok(rule);
        }
        let mut rules = self.rules.write();
        rules.remove_ended(now);
        rules.insert(rule.clone())?;
        self.count.store(rules.len(), Ordering::Release);
        drop(rules);
        self.generation.fetch_add(1, Ordering::AcqRel);
        Ok(rule)
    }

    /// Whether a rule applies to the grants.
    #[must_use]
    pub fn is_revoked(&self, grants: &Grants) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let now = unix(SystemTime::now());
        let rules = self.rules.read();
        let of_token = grants.token_id().and_then(|id| rules.by_token.get(id));
        let of_user = grants.user().and_then(|user| rules.by_user.get(user));
        let narrow = of_token.into_iter().chain(of_user).flatten();
        narrow
            .chain(&rules.broad)
            .any(|rule| rule.applies_to(grants, now))
    }

    /// Raised by each rule: as long as it is the same, grants that were not revoked still are not. For a cheap
    /// check during a stream.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// All rules that have not ended.
    #[must_use]
    pub fn rules(&self) -> Vec<Rule> {
        let now = unix(SystemTime::now());
        let rules = self.rules.read();
        let all = rules.by_token.values().chain(rules.by_user.values());
        let all = all.flatten().chain(&rules.broad);
        all.filter(|rule| rule.until.is_none_or(|until| now < until))
            .cloned()
            .collect()
    }
}

impl Rules {
    fn len(&self) -> usize {
        let narrow = self.by_token.values().chain(self.by_user.values());
        narrow.map(Vec::len).sum::<usize>() + self.broad.len()
    }

    fn insert(&mut self, rule: Rule) -> Result<(), RuleError> {
        let is_full = self.len() >= MAX_RULES;
        let (list, is_full, max) = if let Some(id) = &rule.token_id {
            let list = self.by_token.entry(id.clone()).or_default();
            (list, is_full, MAX_RULES)
        } else if let Some(user) = &rule.user {
            let list = self.by_user.entry(user.clone()).or_default();
            (list, is_full, MAX_RULES)
        } else {
            let is_full = is_full || self.broad.len() >= MAX_BROAD_RULES;
            (&mut self.broad, is_full, MAX_BROAD_RULES)
        };
        if let Some(known) = list.iter_mut().find(|known| known.is_same(&rule)) {
            // None revokes whatever was issued when.
            let is_later = rule.issued_before.is_none() || rule.issued_before > known.issued_before;
            if known.issued_before.is_some() && is_later {
                known.issued_before = rule.issued_before;
            }
            known.until = known.until.max(rule.until);
            return Ok(());
        }
        if is_full {
            return Err(RuleError::Full { max });
        }
        list.push(rule);
        Ok(())
    }

    fn remove_ended(&mut self, now: u64) {
        let is_in_force = |rule: &Rule| rule.until.is_none_or(|until| now < until);
        for narrow in [&mut self.by_token, &mut self.by_user] {
            narrow.retain(|_, rules| {
                rules.retain(is_in_force);
                !rules.is_empty()
            });
        }
        self.broad.retain(is_in_force);
    }
}
