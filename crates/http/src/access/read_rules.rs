//! What needs a grant to be read.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use sse_broadcaster_access::{PatternSet, revocation::Revocations};

use super::grant_topic::GrantTopic;

/// What needs a grant to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SubscribeAccess {
    /// Nothing: every client reads all topics. Private events cannot be published.
    #[default]
    Open,
    /// Private events, and all events of the protected topics. The rest is public.
    PrivateEvents,
    /// Everything.
    Closed,
}

/// What needs a grant, and which grants are revoked.
#[derive(Debug, Default)]
pub(super) struct ReadRules {
    pub(super) subscribe: SubscribeAccess,
    pub(super) protected: PatternSet,
    pub(super) revocations: Option<Arc<Revocations>>,
    /// What was opened by these rules ends, since others are in effect.
    is_replaced: AtomicBool,
}

impl Clone for ReadRules {
    /// Rules that are in effect.
    fn clone(&self) -> Self {
        Self {
            subscribe: self.subscribe,
            protected: self.protected.clone(),
            revocations: self.revocations.clone(),
            is_replaced: AtomicBool::new(false),
        }
    }
}

impl ReadRules {
    /// Ends what was opened by these rules.
    pub(super) fn set_replaced(&self) {
        self.is_replaced.store(true, Ordering::Release);
    }

    pub(super) fn is_replaced(&self) -> bool {
        self.is_replaced.load(Ordering::Acquire)
    }

    /// Whether all events of the topic need a grant.
    pub(super) fn needs_grant(&self, topic: &str) -> bool {
        let topic = match GrantTopic::of(topic) {
            GrantTopic::Subscribe(topic) => topic,
            GrantTopic::Presence(_) | GrantTopic::Nobody => return true,
        };
        match self.subscribe {
            SubscribeAccess::Open => false,
            SubscribeAccess::PrivateEvents => self.protected.matches(topic),
            SubscribeAccess::Closed => true,
        }
    }
}
