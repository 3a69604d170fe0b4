//! The rules that are in effect, which may change while the server runs.

use std::sync::Arc;

use parking_lot::RwLock;

use super::{read_rules::ReadRules, shared_accesses::SharedAccesses};

/// The rules that are in effect, and what clients share by them.
#[derive(Debug, Default)]
pub(super) struct CurrentRules(RwLock<Current>);

#[derive(Debug, Clone, Default)]
pub(super) struct Current {
    pub(super) rules: Arc<ReadRules>,
    pub(super) shared: Arc<SharedAccesses>,
}

impl CurrentRules {
    pub(super) fn get(&self) -> Arc<ReadRules> {
        Arc::clone(&self.0.read().rules)
    }

    /// These rules with what is shared by them.
    pub(super) fn with_shared(&self) -> Current {
        self.0.read().clone()
    }

    /// Changes the rules. What clients share of the rules of before does not hold any more.
    pub(super) fn change(&self, change: impl FnOnce(&mut ReadRules)) {
        let mut current = self.0.write();
        let mut rules = ReadRules::clone(&current.rules);
        change(&mut rules);
        let before = std::mem::take(&mut *current);
        current.rules = Arc::new(rules);
        before.rules.set_replaced();
    }
}

impl Clone for CurrentRules {
    fn clone(&self) -> Self {
        Self(RwLock::new(self.with_shared()))
    }
}
