//! What the claims of a verified token grant.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{
    grants::{Grants, GrantsBuilder},
    pattern::{BaseUrl, Pattern},
};

use super::{
    TokenError, details, shown,
    topics::{Topics, list, present},
};

const SSE: &str = "sse";
const MERCURE: &str = "mercure";
/// The same claim, for issuers that allow only names which are URLs. It wins.
const MERCURE_NAMESPACED: &str = "https://mercure.rocks/";

/// Of Mercure 1.0's claim and ours, or of Mercure 0.x's and ours.
pub(super) fn read(
    claims: &Map<String, Value>,
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

/// The members of our claim.
const MEMBERS: [&str; 5] = ["subscribe", "publish", "presence", "payload", "admin"];
/// Most unknown members that are named.
const MAX_UNKNOWN: usize = 8;

/// Whether the claims have one of Mercure 0.x.
pub(crate) fn has_mercure_claim(claims: &Map<String, Value>) -> bool {
    [MERCURE, MERCURE_NAMESPACED]
        .iter()
        .any(|name| present(claims, name).is_some())
}

/// What of these claims grants nothing though it may be meant to: misspelt members, and no claim of grants at all.
#[must_use]
pub fn without_effect(claims: &Map<String, Value>) -> Vec<String> {
    let Some(ours) = present(claims, SSE) else {
        if has_mercure_claim(claims) || present(claims, details::CLAIM).is_some() {
            return Vec::new();
        }
        return vec![format!(
            "no claim grants anything: there is neither {SSE:?} nor {MERCURE:?} nor {:?}",
            details::CLAIM
        )];
    };
    let unknown = ours.as_object().into_iter();
    let unknown = unknown.flat_map(|ours| unknown_members(ours, &MEMBERS));
    unknown
        .map(|name| {
            format!(
                "the claim {SSE:?} has an unknown member {name:?}; it may have subscribe, publish, presence, payload \
                 and admin"
            )
        })
        .collect()
}

/// Members of the application's response that have no effect.
pub(crate) fn unknown_in_plain(response: &Map<String, Value>) -> Vec<String> {
    unknown_members(response, &[&MEMBERS[..], &["user", "ttl"]].concat())
}

fn unknown_members(object: &Map<String, Value>, known: &[&str]) -> Vec<String> {
    let names = object.keys().map(String::as_str);
    let unknown = names.filter(|name| !known.contains(name));
    unknown.take(MAX_UNKNOWN).map(shown).collect()
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

fn read_mercure(claims: &Map<String, Value>, topics: &mut Topics) -> Result<(), TokenError> {
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
        _ => Err("it is not a string".to_owned()),
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
