use std::fmt;

use serde_json::{Map, Value};

use crate::{
    issuer::Issuers,
    token::{
        Context, Parsed, TokenError, Verified, has_mercure_claim, shown, verify, without_effect,
    },
};

/// The claims of a token, and whether it is accepted here.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Explanation {
    /// The algorithm that its header names, if it can be read.
    pub algorithm: Option<String>,
    /// The key id that its header names.
    pub key_id: Option<String>,
    /// Whether the rules of Mercure 1.0 apply.
    pub is_access_token: bool,
    /// Its claims, whether they are verified or not.
    pub claims: Map<String, Value>,
    /// What was verified: the issuer, the key and the grants; or the first check that fails.
    pub outcome: Result<Verified, TokenError>,
    /// What is granted for each of the topics that were asked about.
    pub topics: Vec<TopicGrants>,
    /// What of the claims grants nothing though it may be meant to.
    pub warnings: Vec<String>,
}

/// What is granted for one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicGrants {
    /// The topic.
    pub topic: String,
    /// Whether private events of it may be read.
    pub subscribe: bool,
    /// Whether it may be published to.
    pub publish: bool,
    /// Whether it may be seen who is there.
    pub presence: bool,
}

impl Explanation {
    /// Of a token, as it would be verified in this context.
    #[must_use]
    pub fn of(token: &str, issuers: &Issuers, context: Context<'_>, topics: &[&str]) -> Self {
        let parsed = Parsed::of(token).ok();
        let outcome = verify(token, issuers, context);
        let granted = |topic: &&str| {
            let grants = outcome.as_ref().ok().map(|verified| &verified.grants);
            TopicGrants {
                topic: (*topic).to_owned(),
                subscribe: grants.is_some_and(|grants| grants.may_subscribe(topic)),
                publish: grants.is_some_and(|grants| grants.may_publish(topic)),
                presence: grants.is_some_and(|grants| grants.may_see_presence(topic)),
            }
        };
        let topics = topics.iter().map(granted).collect();
        let parsed = parsed.as_ref();
        Self {
            algorithm: parsed.map(|parsed| shown(parsed.algorithm())),
            key_id: parsed.and_then(Parsed::key_id).map(shown),
            is_access_token: parsed.is_some_and(Parsed::is_access_token),
            claims: parsed
                .map(|parsed| parsed.claims().clone())
                .unwrap_or_default(),
            warnings: parsed
                .map(|parsed| without_effect(parsed.claims()))
                .unwrap_or_default(),
            outcome,
            topics,
        }
    }
}

/// Lines for a terminal.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(algorithm) = &self.algorithm {
            let rules = if self.is_access_token {
                "access token (Mercure 1.0)"
            } else if has_mercure_claim(&self.claims) {
                "JWT (Mercure 0.x)"
            } else {
                "JWT"
            };
            let key_id = self.key_id.as_ref();
            let key_id = key_id.map_or("none".to_owned(), |id| format!("{id:?}"));
            writeln!(f, "rules:     {rules}")?;
            writeln!(f, "algorithm: {algorithm:?}")?;
            writeln!(f, "key id:    {key_id}")?;
            writeln!(f, "claims:    {}", Value::Object(self.claims.clone()))?;
        }
        match &self.outcome {
            Ok(verified) => {
                let key = verified.key_id.as_deref();
                let key = key.map_or("without an id".to_owned(), |id| format!("{id:?}"));
                writeln!(f, "accepted")?;
                writeln!(f, "issuer:    {:?}, key {key}", verified.issuer)?;
                let grants = &verified.grants;
                for (action, topics) in [
                    ("subscribe:", grants.subscribe()),
                    ("publish:  ", grants.publish()),
                    ("presence: ", grants.presence()),
                ] {
                    let topics: Vec<_> = topics
                        .iter()
                        .map(|topic| topic.to_json().to_string())
                        .collect();
                    writeln!(f, "{action} {}", topics.join(" "))?;
                }
                if grants.is_admin() {
                    writeln!(f, "admin:     yes, everything is granted")?;
                }
            }
            Err(why) => {
                writeln!(f, "refused:   {why}")?;
                writeln!(f, "to do:     {}", why.issuer_message())?;
            }
        }
        for warning in &self.warnings {
            writeln!(f, "warning:   {warning}")?;
        }
        for topic in &self.topics {
            let actions = [
                (topic.subscribe, "subscribe"),
                (topic.publish, "publish"),
                (topic.presence, "presence"),
            ];
            let granted: Vec<_> = actions
                .iter()
                .filter(|(is, _)| *is)
                .map(|(_, name)| *name)
                .collect();
            let granted = if granted.is_empty() {
                "nothing".to_owned()
            } else {
                granted.join(", ")
            };
            writeln!(f, "topic {:?}: {granted}", topic.topic)?;
        }
        Ok(())
    }
}
