//! Revocations of grants, for operators: `POST /admin/revoke` and `GET /admin/revocations`.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Payload, ServiceConfig},
};
use serde::Deserialize;
use serde_json::{Value, error::Category, json};
use sse_broadcaster_access::{
    Pattern,
    revocation::{Rule, RuleError},
};
use sse_broadcaster_actix::{
    AppState, Problem, Refusal,
    internal::{Head, refused},
};
use sse_broadcaster_http::read_whole;

use super::{admit, json as respond};
use crate::{
    http::routes::read_only::read_only,
    process::revocations::{KeptRevocations, RevokeError},
};

/// Longest body of a request.
const MAX_BODY_BYTES: usize = 16 << 10;
/// Longest user or token id.
const MAX_NAME_BYTES: usize = 1 << 10;
/// How far in the future `issued_before` may be: a larger number is probably not in seconds.
const MAX_AHEAD: Duration = Duration::from_secs(3_600);

pub(super) fn configure(config: &mut ServiceConfig, kept: &Arc<KeptRevocations>) {
    let revoke = web::resource("/admin/revoke")
        .route(web::post().to(revoke))
        .default_service(web::to(|| async {
            refused(Refusal::method_not_allowed("POST"))
        }));
    config
        .app_data(web::Data::from(Arc::clone(kept)))
        .service(revoke)
        .service(read_only("/admin/revocations", list));
}

/// The body of `POST /admin/revoke`: grants that meet all of these conditions are revoked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Conditions {
    sub: Option<String>,
    token_id: Option<String>,
    topic: Option<Value>,
    issued_before: Option<Value>,
}

async fn revoke(
    request: HttpRequest,
    body: Payload,
    kept: web::Data<KeptRevocations>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    admit(&request, &state).await?;
    let head = Head::from(&request);
    let whole = read_whole(&head, body, MAX_BODY_BYTES, &state).await?;
    let rule = kept.revoke(read_rule(&whole.bytes)?).await;
    let rule = rule.map_err(revoke_refused)?;
    log::info!("revoked grants: {}", shown(&rule));
    Ok(respond(&shown(&rule)))
}

async fn list(
    request: HttpRequest,
    kept: web::Data<KeptRevocations>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    admit(&request, &state).await?;
    let mut rules = kept.rules();
    rules.sort_by_key(Rule::ends_at);
    let rules: Vec<_> = rules.iter().map(shown).collect();
    Ok(respond(&json!({ "revocations": rules })))
}

fn read_rule(body: &[u8]) -> Result<Rule, Refusal> {
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(invalid(
            &"the body is an array; give an object, for example {\"sub\":\"17\"}",
        ));
    }
    // Not by way of a value, which would keep the last of two members with one name.
    let conditions: Conditions =
        serde_json::from_slice(body).map_err(|why| match why.classify() {
            Category::Data => invalid(&why),
            _ => Refusal::bad_request("invalid_json", format!("the body is not JSON: {why}")),
        })?;
    let mut rule = Rule::new();
    if let Some(user) = name("sub", conditions.sub)? {
        rule = rule.user(&user);
    }
    if let Some(id) = name("token_id", conditions.token_id)? {
        rule = rule.token_id(&id);
    }
    if let Some(topic) = conditions.topic {
        let topic = Pattern::from_json(&topic, None);
        rule = rule.topic(topic.map_err(|why| {
            let detail = format!("\"topic\": {why}");
            Refusal::unprocessable(why.code(), detail).with_source(why)
        })?);
    }
    if let Some(at) = conditions.issued_before {
        rule = rule.issued_before(time(&at)?);
    }
    Ok(rule)
}

fn invalid(why: &dyn std::fmt::Display) -> Refusal {
    Refusal::unprocessable("invalid_revocation", why.to_string())
}

fn name(member: &str, value: Option<String>) -> Result<Option<String>, Refusal> {
    match value {
        Some(text) if text.is_empty() || text.len() > MAX_NAME_BYTES => {
            let bytes = text.len();
            Err(invalid(&format!(
                "{member:?} has {bytes} bytes; give 1 to {MAX_NAME_BYTES}"
            )))
        }
        value => Ok(value),
    }
}

/// UNIX seconds, as in a token, or a time in RFC 3339.
fn time(value: &Value) -> Result<SystemTime, Refusal> {
    let wrong = || {
        invalid(&format!(
            "\"issued_before\" is {value}; give UNIX seconds, as \"iat\" of a token has them, or a time such as \
             \"2026-01-31T12:00:00Z\""
        ))
    };
    let at = match value {
        Value::String(text) => humantime::parse_rfc3339(text).ok(),
        _ => value
            .as_f64()
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .and_then(|since_epoch| UNIX_EPOCH.checked_add(since_epoch)),
    };
    let at = at.ok_or_else(wrong)?;
    if at > SystemTime::now() + MAX_AHEAD {
        return Err(wrong());
    }
    Ok(at)
}

/// A rule with the names of the request, and `until`, when it ends.
fn shown(rule: &Rule) -> Value {
    let mut json = json!(rule);
    if let Some(object) = json.as_object_mut()
        && let Some(id) = object.remove("jti")
    {
        object.insert("token_id".to_owned(), id);
    }
    json
}

fn revoke_refused(error: RevokeError) -> Problem {
    let detail = error.to_string();
    match error {
        RevokeError::Publish(why) => Refusal::from(why).into(),
        RevokeError::Unavailable(why) => Refusal::from(why).into(),
        RevokeError::Contended => Refusal::unavailable("contended", detail).into(),
        RevokeError::Rule(why @ RuleError::NoCondition) => {
            let detail =
                "give at least one of \"sub\", \"token_id\", \"topic\" and \"issued_before\"";
            let refusal = Refusal::unprocessable(why.code(), detail);
            refusal.with_source(why).into()
        }
        RevokeError::Rule(_) | RevokeError::TooLong => {
            let status = StatusCode::INSUFFICIENT_STORAGE;
            Problem::new(status, "too_many_revocations", detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_and_shown_by_the_same_names() {
        let body =
            br#"{"sub":"17","token_id":"t","topic":"users/{id}","issued_before":1700000000}"#;
        let rule = read_rule(body).unwrap();
        assert_eq!(
            shown(&rule),
            json!({"sub": "17", "token_id": "t", "topic": "users/{id}", "issued_before": 1_700_000_000.0})
        );
        let by_text = read_rule(br#"{"issued_before":"2023-11-14T22:13:20Z"}"#).unwrap();
        assert_eq!(shown(&by_text)["issued_before"], 1_700_000_000.0);
    }

    #[test]
    fn a_condition_that_is_wrong_is_rejected_with_what_would_be_right() {
        let long = format!("{{\"sub\":\"{}\"}}", "x".repeat(1_025));
        for (body, code, text) in [
            ("x", "invalid_json", "not JSON"),
            ("[]", "invalid_revocation", "give an object"),
            (
                r#" ["17",null,null,null]"#,
                "invalid_revocation",
                "give an object",
            ),
            (
                r#"{"sub":"17","sub":"18"}"#,
                "invalid_revocation",
                "duplicate field `sub`",
            ),
            (
                r#"{"user":"17"}"#,
                "invalid_revocation",
                "unknown field `user`",
            ),
            (r#"{"sub":""}"#, "invalid_revocation", "give 1 to"),
            (&long, "invalid_revocation", "1025 bytes"),
            (r#"{"topic":7}"#, "not_a_pattern", "\"topic\": a pattern"),
            (
                r#"{"issued_before":1700000000000}"#,
                "invalid_revocation",
                "UNIX seconds",
            ),
            (
                r#"{"issued_before":"soon"}"#,
                "invalid_revocation",
                "\"soon\"",
            ),
        ] {
            let refusal = read_rule(body.as_bytes()).unwrap_err();
            assert_eq!(refusal.code(), code, "{body}");
            assert!(refusal.detail().contains(text), "{}", refusal.detail());
        }
    }
}
