//! What the claims of a verified token grant.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{
    grants::{Grants, GrantsBuilder},
    pattern::{BaseUrl, Pattern, PatternSet},
};

use super::{TokenError, details};

const SSE: &str = "sse";
const MERCURE: &str = "mercure";
/// The same claim, for issuers that allow only names which are URLs. It wins.
const MERCURE_NAMESPACED: &str = "https://mercure.rocks/";

type Claims = Map<String, Value>;

/// Topics by action.
#[derive(Default)]
pub(super) struct Topics {
    pub(super) subscribe: Vec<Pattern>,
    pub(super) publish: Vec<Pattern>,
    presence: Vec<Pattern>,
    pub(super) payloads: Vec<(PatternSet, Value)>,
}

/// Of Mercure 1.0's claim and ours, or of Mercure 0.x's and ours.
pub(super) fn read(
    claims: &Claims,
    is_access_token: bool,
    base: Option<&BaseUrl>,
    builder: GrantsBuilder,
) -> Result<Arc<Grants>, TokenError> {
    let mut topics = Topics::default();
    if is_access_token {
        details::read(claims, base, &mut topics)?;
    } else {
        read_mercure(claims, &mut topics)?;
    }
    if let Some(claim) = present(claims, SSE) {
        topics
            .add_ours(claim, base)
            .map_err(|why| TokenError::claim(SSE, why))?;
    }
    topics
        .into_grants(builder)
        .map_err(|why| TokenError::claim(SSE, why))
}

/// Of the application's response, which has the members of our claim.
pub(crate) fn read_plain(
    claim: &Value,
    base: Option<&BaseUrl>,
    builder: GrantsBuilder,
) -> Result<Arc<Grants>, String> {
    let mut topics = Topics::default();
    topics.add_ours(claim, base)?;
    topics.into_grants(builder)
}

fn present<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    claims.get(name).filter(|claim| !claim.is_null())
}

fn read_mercure(claims: &Claims, topics: &mut Topics) -> Result<(), TokenError> {
    let (name, claim) = if let Some(claim) = present(claims, MERCURE_NAMESPACED) {
        (MERCURE_NAMESPACED, claim)
    } else if let Some(claim) = present(claims, MERCURE) {
        (MERCURE, claim)
    } else {
        return Ok(());
    };
    // Patterns are strings alone.
    let selector = |json: &Value| match json {
        Value::String(text) => Pattern::selector(text).map_err(|why| why.to_string()),
        _ => Err("has a topic that is not a string".to_owned()),
    };
    let mut read = || -> Result<(), String> {
        let claim = claim.as_object().ok_or("is not an object")?;
        topics.subscribe.extend(list(claim, "subscribe", selector)?);
        topics.publish.extend(list(claim, "publish", selector)?);
        topics.add_payload(claim);
        Ok(())
    };
    read().map_err(|why| TokenError::claim(name, why))
}

/// The patterns in an array, which may be missing.
fn list(
    claim: &Claims,
    name: &str,
    pattern: impl Fn(&Value) -> Result<Pattern, String>,
) -> Result<Vec<Pattern>, String> {
    match claim.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) if list.len() > crate::pattern::MAX_PATTERNS => Err(format!(
            "has {} topics in {name:?}; at most {} are allowed",
            list.len(),
            crate::pattern::MAX_PATTERNS
        )),
        Some(Value::Array(list)) => list.iter().map(pattern).collect(),
        Some(_) => Err(format!("has {name:?} that is not an array")),
    }
}

impl Topics {
    fn add_ours(&mut self, claim: &Value, base: Option<&BaseUrl>) -> Result<(), String> {
        let pattern = |json: &Value| Pattern::from_json(json, base).map_err(|why| why.to_string());
        let claim = claim.as_object().ok_or("is not an object")?;
        self.subscribe.extend(list(claim, "subscribe", pattern)?);
        self.publish.extend(list(claim, "publish", pattern)?);
        self.presence.extend(list(claim, "presence", pattern)?);
        self.add_payload(claim);
        Ok(())
    }

    fn add_payload(&mut self, claim: &Claims) {
        if let Some(payload) = present(claim, "payload") {
            self.payloads.push((PatternSet::all(), payload.clone()));
        }
    }

    fn into_grants(self, mut builder: GrantsBuilder) -> Result<Arc<Grants>, String> {
        let set = |patterns| PatternSet::new(patterns).map_err(|why| why.to_string());
        for (topics, payload) in self.payloads {
            builder = builder.payload_for(topics, payload);
        }
        let builder = builder
            .subscribe(set(self.subscribe)?)
            .publish(set(self.publish)?)
            .presence(set(self.presence)?);
        Ok(builder.build())
    }
}
