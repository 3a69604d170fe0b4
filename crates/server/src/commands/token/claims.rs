//! The claims of a new token.

use clap::Args;
use serde_json::{Map, Value, json};
use sse_broadcaster_access::{
    Pattern,
    pattern::{BaseUrl, PatternKind},
};
use sse_broadcaster_cli::Failure;

use crate::config::{TokenConfig, topic_json};

/// The type of the entries in `authorization_details` of Mercure 1.0.
const DETAIL_TYPE: &str = "https://mercure.rocks/authorization-detail";

#[derive(Debug, Args)]
#[allow(clippy::doc_markdown, reason = "--help prints these as they are")]
pub(super) struct Claims {
    /// The user, claim "sub"
    #[arg(long, value_name = "USER")]
    sub: Option<String>,

    /// Topics whose private events may be read: *, a topic, a template such as users/17/{+rest}, or
    /// {"urlpattern":"https://example.com/users/17/*"}; repeatable
    #[arg(long, value_name = "PATTERN")]
    subscribe: Vec<String>,

    /// Topics that may be published to, likewise; repeatable
    #[arg(long, value_name = "PATTERN")]
    publish: Vec<String>,

    /// Topics whose presence may be seen, likewise; repeatable
    #[arg(long, value_name = "PATTERN")]
    presence: Vec<String>,

    /// The rights of an operator: the routes below /admin, and everything that can be granted
    #[arg(long)]
    admin: bool,

    /// Claim "iss" [default: that of --token-issuer, if there is one]
    #[arg(long, value_name = "ISSUER")]
    iss: Option<String>,

    /// Claim "aud"; repeatable [default: that of --token-audience]
    #[arg(long, value_name = "NAME")]
    aud: Vec<String>,

    /// Claim "jti", by which the one token can be revoked
    #[arg(long, value_name = "ID")]
    token_id: Option<String>,

    /// Further claims, as a JSON object
    #[arg(long = "claims", id = "claims", value_name = "JSON")]
    others: Option<String>,

    /// Write the claim of Mercure 0.x; with --check, accept a token without "exp", as a hub does
    #[arg(long)]
    mercure: bool,

    /// Write an access token of Mercure 1.0, with authorization_details
    #[arg(long, conflicts_with = "mercure")]
    access_token: bool,
}

impl Claims {
    pub(super) fn is_access_token(&self) -> bool {
        self.access_token
    }

    pub(super) fn is_for_hub(&self) -> bool {
        self.mercure
    }

    /// All of them; `iss` and `aud` are by default those that a server with these settings expects.
    ///
    /// # Errors
    /// What is no pattern or no JSON, and a claim that is given twice.
    pub(super) fn read(&self, settings: &TokenConfig) -> Result<Value, Failure> {
        let mut claims = self.given()?;
        let mut set = |name: &str, value: Option<Value>| match value {
            Some(value) => insert(&mut claims, name, value),
            None => Ok(()),
        };
        set("sub", self.sub.as_deref().map(Value::from))?;
        set("jti", self.token_id.as_deref().map(Value::from))?;
        set("iss", self.iss.as_deref().map(Value::from))?;
        set("aud", one_or_all(&self.aud))?;
        self.add_topics(&mut claims)?;
        if self.admin {
            add_to(&mut claims, "sse", "admin", true.into())?;
        }
        add_defaults(&mut claims, settings);
        if self.access_token {
            for name in ["iss", "aud"] {
                if !claims.contains_key(name) {
                    return Err(Failure::usage(format!(
                        "an access token needs the claim {name:?}: give --{name}"
                    )));
                }
            }
        }
        Ok(Value::Object(claims))
    }

    fn given(&self) -> Result<Map<String, Value>, Failure> {
        let Some(text) = &self.others else {
            return Ok(Map::new());
        };
        match serde_json::from_str(text) {
            Ok(Value::Object(claims)) => Ok(claims),
            Ok(_) => Err(Failure::usage(
                "--claims: give a JSON object, such as {\"name\":\"Anna\"}",
            )),
            Err(why) => Err(Failure::usage(format!("--claims is not JSON: {why}"))),
        }
    }

    fn add_topics(&self, claims: &mut Map<String, Value>) -> Result<(), Failure> {
        let actions = [
            ("subscribe", &self.subscribe),
            ("publish", &self.publish),
            ("presence", &self.presence),
        ];
        for (action, texts) in actions {
            if texts.is_empty() {
                continue;
            }
            let patterns = texts.iter().map(|text| pattern(action, text));
            let patterns = patterns.collect::<Result<Vec<_>, _>>()?;
            let bad = |why| Failure::usage(format!("--{action}: {why}"));
            // Mercure knows no grant of presence.
            if action == "presence" || !(self.mercure || self.access_token) {
                let topics: Vec<_> = patterns.iter().map(Pattern::to_json).collect();
                add_to(claims, "sse", action, topics.into())?;
            } else if self.mercure {
                let topics = patterns.iter().map(selector).collect::<Result<Vec<_>, _>>();
                add_to(claims, "mercure", action, topics.map_err(bad)?.into())?;
            } else {
                let topics = patterns.iter().map(matcher).collect::<Result<Vec<_>, _>>();
                add_detail(claims, action, &topics.map_err(bad)?)?;
            }
        }
        Ok(())
    }
}

/// Relative URL patterns are read by the server, which may have a base for them.
fn pattern(action: &str, text: &str) -> Result<Pattern, Failure> {
    let bad = |why: String| Failure::usage(format!("--{action}: {why}"));
    let base = BaseUrl::parse("https://example.com/").ok();
    let json = topic_json(text).map_err(bad)?;
    Pattern::from_json(&json, base.as_ref()).map_err(|why| bad(why.to_string()))
}

/// As Mercure 0.x has it, which has texts alone.
fn selector(pattern: &Pattern) -> Result<Value, String> {
    match pattern.to_json() {
        Value::String(text) => Ok(text.into()),
        other => Err(format!(
            "{other} cannot be expressed for Mercure 0.x; use a topic, a template or *"
        )),
    }
}

/// As Mercure 1.0 has it, which has no templates.
fn matcher(pattern: &Pattern) -> Result<Value, String> {
    let text = pattern.text();
    match pattern.kind() {
        PatternKind::All | PatternKind::Exact => Ok(json!({ "match": text })),
        PatternKind::UrlPattern => Ok(json!({ "match": text, "match_type": "urlpattern" })),
        PatternKind::Template | PatternKind::Covering => Err(format!(
            "{text} is a template, which Mercure 1.0 does not have; write \
             {{\"urlpattern\":\"https://example.com/users/:id\"}}"
        )),
    }
}

fn add_to(
    claims: &mut Map<String, Value>,
    claim: &str,
    member: &str,
    value: Value,
) -> Result<(), Failure> {
    let object = claims.entry(claim).or_insert_with(|| json!({}));
    match object.as_object_mut() {
        Some(object) => insert(object, member, value),
        None => Err(Failure::usage(format!(
            "--claims: {claim:?} is not an object"
        ))),
    }
}

fn add_detail(
    claims: &mut Map<String, Value>,
    action: &str,
    topics: &[Value],
) -> Result<(), Failure> {
    let detail = json!({ "type": DETAIL_TYPE, "actions": [action], "topics": topics });
    let name = "authorization_details";
    let details = claims.entry(name).or_insert_with(|| json!([]));
    match details.as_array_mut() {
        Some(details) => {
            details.push(detail);
            Ok(())
        }
        None => Err(Failure::usage(format!(
            "--claims: {name:?} is not an array"
        ))),
    }
}

fn add_defaults(claims: &mut Map<String, Value>, settings: &TokenConfig) {
    let plain = settings.token_issuer.iter();
    let mut plain = plain.filter(|text| !text.is_empty() && !text.contains(','));
    if let (Some(iss), None) = (plain.next(), claims.get("iss")) {
        claims.insert("iss".to_owned(), iss.as_str().into());
    }
    if let (Some(aud), None) = (one_or_all(&settings.token_audience), claims.get("aud")) {
        claims.insert("aud".to_owned(), aud);
    }
}

fn one_or_all(names: &[String]) -> Option<Value> {
    match names {
        [] => None,
        [one] => Some(one.as_str().into()),
        all => Some(all.into()),
    }
}

fn insert(object: &mut Map<String, Value>, name: &str, value: Value) -> Result<(), Failure> {
    match object.insert(name.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(Failure::usage(format!(
            "--claims has {name:?}, which another flag sets: give one of them"
        ))),
    }
}
