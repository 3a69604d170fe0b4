//! What one client may do.

use std::sync::Arc;

use sse_broadcaster::{
    event::{SelectedTopics, Selector, Topic},
    internal::Shown,
};
use sse_broadcaster_access::{Grants, Origin, authorize::Source};

use super::{
    grant_topic::GrantTopic, granted_access::GrantedAccess, key_ring::Key,
    read_rules::SubscribeAccess, settings::Settings,
};
use crate::Refusal;

/// A client with its grants, as [`Authorization::client`](super::Authorization::client) found them out.
#[derive(Debug, Clone)]
pub struct Client {
    settings: Arc<Settings>,
    grants: Arc<Grants>,
    source: Option<Source>,
    /// The key by which it has its grants, if it is an operator's.
    operator_key: Option<Arc<Key>>,
}

impl Client {
    pub(super) fn new(
        settings: Arc<Settings>,
        grants: Arc<Grants>,
        source: Option<Source>,
    ) -> Self {
        Self {
            settings,
            grants,
            source,
            operator_key: None,
        }
    }

    pub(super) fn with_operator_key(self, key: Arc<Key>) -> Self {
        let operator_key = Some(key);
        Self {
            operator_key,
            ..self
        }
    }

    /// Its grants.
    #[must_use]
    pub fn grants(&self) -> &Arc<Grants> {
        &self.grants
    }

    /// Whether a token, a session or a key says who it is.
    #[must_use]
    pub fn is_identified(&self) -> bool {
        self.grants.origin() != Origin::Anonymous
    }

    /// Whether a browser may have identified it without its page having any part in that: by a cookie.
    #[must_use]
    pub fn is_by_cookie(&self) -> bool {
        self.source == Some(Source::Cookie) || self.grants.origin() == Origin::Application
    }

    /// The same selector, for what of its topics the client may read and for as long as it may.
    ///
    /// # Errors
    /// 401 `grant_missing` for a topic that needs a grant, by a client that nothing identifies; 403
    /// `topic_not_granted` by one that is identified.
    pub fn selector(&self, selector: Selector) -> Result<Selector, Refusal> {
        self.check_selected(selector.selected())?;
        Ok(self.restricted(selector))
    }

    /// The same without the check of the topics: the stream of a topic that the client may not read stays without its
    /// events.
    #[must_use]
    pub fn restricted(&self, selector: Selector) -> Selector {
        if self.settings.rules.get().subscribe == SubscribeAccess::Open
            && !selects_presence(&selector)
        {
            return selector;
        }
        let selector = selector.with_access(self.access());
        match self.grants.deadline() {
            Some(deadline) => selector.until(deadline),
            None => selector,
        }
    }

    fn access(&self) -> Arc<GrantedAccess> {
        match &self.operator_key {
            // Not shared with others, since it ends with the key.
            Some(key) => {
                let access =
                    GrantedAccess::new(self.settings.rules.get(), Arc::clone(&self.grants));
                Arc::new(access.until_removed(Arc::clone(key)))
            }
            None => self.settings.access_of(&self.grants),
        }
    }

    fn check_selected(&self, selected: &SelectedTopics) -> Result<(), Refusal> {
        if let SelectedTopics::Topics(topics) = selected {
            let mut topics = topics.iter().map(Topic::as_str);
            return topics.try_for_each(|topic| self.may_read(topic));
        }
        let is_closed = self.settings.rules.get().subscribe == SubscribeAccess::Closed;
        if is_closed && self.grants.subscribe().is_empty() {
            return Err(self.nothing_granted("reading"));
        }
        Ok(())
    }

    /// Checks that the client may read this topic where that needs a grant: for documents, which are public or not
    /// as a whole.
    ///
    /// # Errors
    /// As [`selector`](Self::selector).
    pub fn may_read(&self, topic: &str) -> Result<(), Refusal> {
        if self.settings.rules.get().needs_grant(topic)
            && !GrantTopic::of(topic).is_granted_by(&self.grants)
        {
            return Err(self.not_granted("reading", topic));
        }
        Ok(())
    }

    /// Whether lists name this topic to the client. A name may tell as much as an event: with access control, lists
    /// have granted topics only.
    pub(crate) fn sees_name(&self, topic: &str) -> bool {
        self.sees_all_names() || GrantTopic::of(topic).is_granted_by(&self.grants)
    }

    /// Whether it sees any name in lists.
    pub(crate) fn sees_names(&self) -> bool {
        self.sees_all_names() || !self.grants.subscribe().is_empty()
    }

    pub(crate) fn sees_all_names(&self) -> bool {
        self.settings.rules.get().subscribe == SubscribeAccess::Open
    }

    /// Whether a grant has ended or was revoked: for uploads and sockets, which may stay open for long.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let rules = self.settings.rules.get();
        let revocations = rules.revocations.as_ref();
        let operator_key = self.operator_key.as_ref();
        operator_key.is_some_and(|key| key.is_removed())
            || self.grants.is_expired(std::time::Instant::now())
            || revocations.is_some_and(|revocations| revocations.is_revoked(&self.grants))
    }

    /// The refusal of something that needs a grant for this topic; `doing` is for example `reading`.
    pub(crate) fn not_granted(&self, doing: &str, topic: &str) -> Refusal {
        let topic = Shown(topic);
        if self.is_identified() {
            let detail = format!(
                "{doing} the topic {topic} is not granted; use a token or a session that grants it"
            );
            return Refusal::forbidden("topic_not_granted", detail)
                .with_reason("the token or session does not grant this topic")
                .of_client(&self.grants);
        }
        self.grant_missing(&format!("{doing} the topic {topic}"))
    }

    /// The refusal of something for which no topic at all is granted; `doing` is for example `publishing to`.
    pub(crate) fn nothing_granted(&self, doing: &str) -> Refusal {
        if !self.is_identified() {
            return self.grant_missing(&format!("{doing} any topic"));
        }
        let detail = format!("the token or session grants {doing} no topic; use one that does");
        Refusal::forbidden("topic_not_granted", detail)
            .with_reason("the token or session grants no topic for this")
            .of_client(&self.grants)
    }

    fn grant_missing(&self, what: &str) -> Refusal {
        grant_missing(what, &self.settings.how_to_get_a_grant())
            .with_reason("this topic needs a grant, and the request has no token and no session")
    }
}

pub(super) fn grant_missing(what: &str, how_to_get_a_grant: &str) -> Refusal {
    let detail = format!("{what} needs a grant; {how_to_get_a_grant}");
    Refusal::unauthorized("grant_missing", detail)
}

/// Whether events of presence are asked for, which need a grant on every server.
fn selects_presence(selector: &Selector) -> bool {
    let SelectedTopics::Topics(topics) = selector.selected() else {
        return false;
    };
    let mut topics = topics.iter().map(Topic::as_str);
    topics.any(|topic| matches!(GrantTopic::of(topic), GrantTopic::Presence(_)))
}
