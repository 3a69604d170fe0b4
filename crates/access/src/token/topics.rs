use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{
    grants::{Grants, GrantsBuilder},
    pattern::{BaseUrl, MAX_PATTERNS, Pattern, PatternSet},
};

type Members = Map<String, Value>;

/// Topics by action.
#[derive(Default)]
pub(super) struct Topics {
    pub(super) subscribe: Vec<Pattern>,
    pub(super) publish: Vec<Pattern>,
    pub(super) presence: Vec<Pattern>,
    pub(super) payloads: Vec<(PatternSet, Value)>,
    /// Everything is granted, with the rights of an operator.
    pub(super) is_admin: bool,
}

/// A member that is not `null`.
pub(super) fn present<'a>(claims: &'a Members, name: &str) -> Option<&'a Value> {
    claims.get(name).filter(|claim| !claim.is_null())
}

/// The patterns in an array, which may be missing.
pub(super) fn list(
    claim: &Members,
    name: &str,
    pattern: impl Fn(&Value) -> Result<Pattern, String>,
) -> Result<Vec<Pattern>, String> {
    match claim.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) if list.len() > MAX_PATTERNS => Err(format!(
            "has {} topics in {name:?}; at most {} are allowed",
            list.len(),
            MAX_PATTERNS
        )),
        Some(Value::Array(list)) => {
            let patterns = list.iter().map(pattern).collect::<Result<_, _>>();
            patterns.map_err(|why| format!("has an invalid topic in {name:?}: {why}"))
        }
        Some(_) => Err(format!("has {name:?} that is not an array")),
    }
}

impl Topics {
    pub(super) fn add_ours(&mut self, claim: &Value, base: Option<&BaseUrl>) -> Result<(), String> {
        let pattern = |json: &Value| Pattern::from_json(json, base).map_err(|why| why.to_string());
        let claim = claim.as_object().ok_or("is not an object")?;
        self.subscribe.extend(list(claim, "subscribe", pattern)?);
        self.publish.extend(list(claim, "publish", pattern)?);
        self.presence.extend(list(claim, "presence", pattern)?);
        self.is_admin |= match present(claim, "admin") {
            None => false,
            Some(Value::Bool(is_admin)) => *is_admin,
            Some(_) => return Err("has \"admin\" that is neither true nor false".to_owned()),
        };
        self.add_payload(claim);
        Ok(())
    }

    pub(super) fn add_payload(&mut self, claim: &Members) {
        if let Some(payload) = present(claim, "payload") {
            self.payloads.push((PatternSet::all(), payload.clone()));
        }
    }

    pub(super) fn into_grants(self, mut builder: GrantsBuilder) -> Result<Arc<Grants>, String> {
        let set = |patterns| PatternSet::new(patterns).map_err(|why| why.to_string());
        for (topics, payload) in self.payloads {
            builder = builder.payload_for(topics, payload);
        }
        if self.is_admin {
            let all = PatternSet::all;
            let everything = builder.subscribe(all()).publish(all()).presence(all());
            return Ok(everything.admin().build());
        }
        let builder = builder
            .subscribe(set(self.subscribe)?)
            .publish(set(self.publish)?)
            .presence(set(self.presence)?);
        Ok(builder.build())
    }
}
