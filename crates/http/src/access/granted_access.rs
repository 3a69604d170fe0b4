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

use super::{authorization::Settings, grant_topic::GrantTopic};

pub(super) struct GrantedAccess {
    settings: Arc<Settings>,
    grants: Arc<Grants>,
    /// The revocations that were looked at last, and did not apply: one more than their generation.
    checked: AtomicU64,
}

impl GrantedAccess {
    pub(super) fn new(settings: Arc<Settings>, grants: Arc<Grants>) -> Self {
        Self {
            settings,
            grants,
            checked: AtomicU64::new(0),
        }
    }
}

impl ReadAccess for GrantedAccess {
    fn is_granted(&self, topic: &str) -> bool {
        GrantTopic::of(topic).is_granted_by(&self.grants)
    }

    fn needs_grant(&self, topic: &str) -> bool {
        self.settings.needs_grant(topic)
    }

    fn is_revoked(&self) -> bool {
        let Some(revocations) = &self.settings.revocations else {
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

/// Without the settings, which hold all accesses.
impl fmt::Debug for GrantedAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrantedAccess")
            .field("grants", &self.grants)
            .finish_non_exhaustive()
    }
}
