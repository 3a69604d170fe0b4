use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use serde_json::Value;

use super::{Claims, Grants, Origin, SHARED};
use crate::pattern::PatternSet;

/// Builds [`Grants`].
#[derive(Debug, Clone, Default)]
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

    /// The id of the key that signed the token.
    pub fn key_id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.0.key_id = Some(id.into());
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

    /// The client has the rights of an operator.
    pub fn admin(mut self) -> Self {
        self.0.is_admin = true;
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
