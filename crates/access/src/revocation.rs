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
    time::{Duration, SystemTime},
};

use parking_lot::RwLock;

use crate::grants::Grants;

#[cfg(test)]
mod revocation_tests;
mod rule;
mod seconds;
mod topic;

use rule::{Millis, millis, unix};
pub use rule::{Rule, RuleError};

/// Most rules at a time.
pub const MAX_RULES: usize = 10_000;
/// Most of them that name neither user nor token id, and so are looked at for all grants.
pub const MAX_BROAD_RULES: usize = 1_000;

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
    /// Of all three.
    len: usize,
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
    pub fn add(&self, rule: Rule) -> Result<Rule, RuleError> {
        let rule = self.complete(rule)?;
        self.add_all([rule.clone()])?;
        Ok(rule)
    }

    /// Adds all of these in one step, those that do not fit left out.
    ///
    /// # Errors
    /// Of the first one that was left out. The others were added.
    pub fn add_all(&self, rules: impl IntoIterator<Item = Rule>) -> Result<(), RuleError> {
        let now = unix(SystemTime::now());
        let mut all = self.rules.write();
        all.remove_ended(now);
        let mut result = Ok(());
        for rule in rules {
            let added = self.complete(rule).and_then(|rule| match rule.until {
                Some(until) if until <= now => Ok(()),
                _ => all.insert(rule),
            });
            result = result.and(added);
        }
        self.count.store(all.len, Ordering::Release);
        drop(all);
        self.generation.fetch_add(1, Ordering::AcqRel);
        result
    }

    /// The rule with its end, and with the time until which grants that it applies to were issued: for a caller that
    /// keeps the rule before it is added.
    ///
    /// # Errors
    /// No condition.
    pub fn complete(&self, mut rule: Rule) -> Result<Rule, RuleError> {
        let now = SystemTime::now();
        if rule.is_same(&Rule::new()) && rule.issued_before.is_none() {
            return Err(RuleError::NoCondition);
        }
        if rule.token_id.is_none() && rule.issued_before.is_none() {
            rule = rule.issued_before(now);
        }
        let seconds = self.longest_lifetime.as_secs().saturating_add(1);
        rule.until
            .get_or_insert_with(|| unix(now).saturating_add(seconds));
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
    fn insert(&mut self, rule: Rule) -> Result<(), RuleError> {
        let is_full = self.len >= MAX_RULES;
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
        self.len += 1;
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
        let narrow = self.by_token.values().chain(self.by_user.values());
        self.len = narrow.map(Vec::len).sum::<usize>() + self.broad.len();
    }
}
