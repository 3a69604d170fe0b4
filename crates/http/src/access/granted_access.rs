//! The grants of one client as the broadcaster asks for them, event by event.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sse_broadcaster::event::ReadAccess;
use sse_broadcaster_access::Grants;

use super::{grant_topic::GrantTopic, key_ring::Key, read_rules::ReadRules};

pub(super) struct GrantedAccess {
    rules: Arc<ReadRules>,
    grants: Arc<Grants>,
    /// The revocations that were looked at last, and did not apply: one more than their generation.
    checked: AtomicU64,
    /// Access ends when this key is removed.
    operator_key: Option<Arc<Key>>,
}

impl GrantedAccess {
    pub(super) fn new(rules: Arc<ReadRules>, grants: Arc<Grants>) -> Self {
        Self {
            rules,
            grants,
            checked: AtomicU64::new(0),
            operator_key: None,
        }
    }

    /// The same, until this key of operators is removed.
    pub(super) fn until_removed(self, key: Arc<Key>) -> Self {
        let operator_key = Some(key);
        Self {
            operator_key,
            ..self
        }
    }
}

impl ReadAccess for GrantedAccess {
    fn is_granted(&self, topic: &str) -> bool {
        GrantTopic::of(topic).is_granted_by(&self.grants)
    }

    fn needs_grant(&self, topic: &str) -> bool {
        self.rules.needs_grant(topic)
    }

    fn is_revoked(&self) -> bool {
        if self.rules.is_replaced() {
            return true;
        }
        if let Some(key) = &self.operator_key {
            return key.is_removed();
        }
        let Some(revocations) = &self.rules.revocations else {
            return false;
        };
        let generation = revocations.generation() + 1;
        if self.checked.load(Ordering::Relaxed) == generation {
            return false;
        }
        let is_revoked = revocations.is_revoked(&self.grants);
        if !is_revoked {
            self.checked.store(generation, Ordering::Relaxed);
        }
        is_revoked
    }
}

impl fmt::Debug for GrantedAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrantedAccess")
            .field("grants", &self.grants)
            .finish_non_exhaustive()
    }
}
