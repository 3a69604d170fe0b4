//! What clients may read and publish by a token, on every route of actix-web and of axum.

use std::sync::Arc;

use sse_broadcaster_access::{
    Pattern, PatternSet,
    authorize::Tokens,
    issuer::{Issuer, Issuers},
    keys::Keys,
};
use sse_broadcaster_actix::{Access, AppState, Authorization, Publishers, SubscribeAccess};

use super::{JSON, Request, compare_with, response::Response};
use crate::support::tokens::{SECRET, bearer, token};

const OWN_ORIGIN: &str = "origin: http://localhost";

/// A token of user 17, who reads what is below `users/17/`, and publishes to `news`.
fn of_17() -> String {
    let grants = serde_json::json!({"subscribe": ["users/17/{+rest}"], "publish": ["news", "users/17/notes"]});
    token(&serde_json::json!({"sub": "17", "sse": grants}))
}

fn configure(
    subscribe: SubscribeAccess,
) -> impl FnOnce(AppState) -> AppState + Clone + Send + 'static {
    move |state| {
        let keys = Keys::parse(SECRET).unwrap();
        let tokens = Tokens::new(Issuers::new([Issuer::new("login", keys)]));
        let protected = ["staff", "$signal/secret"].map(|topic| Pattern::selector(topic).unwrap());
        let authorization = Authorization::new(subscribe, Arc::new(tokens))
            .protected(PatternSet::new(protected).unwrap())
            .query_tokens(true);
        let keys = Publishers::Keys(["operator"].into_iter().collect());
        let access = Access::default().publishers(keys).get_publishes(true);
        state.access(access).authorization(authorization)
    }
}

fn outcomes(responses: &[Response]) -> Vec<(u16, String)> {
    let outcome = |response: &Response| {
        let problem: serde_json::Value = serde_json::from_str(&response.body).unwrap_or_default();
        let code = problem["code"].as_str().unwrap_or_default();
        (response.status, code.to_owned())
    };
    responses.iter().map(outcome).collect()
}

/// Requests with what becomes of each: its status, and the code of the refusal.
fn check(subscribe: SubscribeAccess, cases: &[(Request<'_>, u16, &str)]) {
    let requests: Vec<_> = cases.iter().map(|(request, ..)| *request).collect();
    let responses = compare_with(configure(subscribe), &requests);
    for (((request, status, code), found), response) in
        cases.iter().zip(outcomes(&responses)).zip(&responses)
    {
        let expected = (*status, (*code).to_owned());
        assert_eq!(found, expected, "{request:?}\n{}", response.body);
    }
}

pub(super) const STREAM: &str = "accept: text/event-stream";
pub(super) const PAGE: &str = "accept: application/json";

#[test]
fn on_a_closed_server_every_read_needs_a_grant_on_every_route() {
    let granted = bearer(&of_17());
    let granted = granted.as_str();
    let own = "/events?topic=users/17/notes";
    let cases: &[(Request<'_>, u16, &str)] = &[
        (("GET", own, &[STREAM], ""), 401, "grant_missing"),
        (("GET", own, &[STREAM, granted], ""), 200, ""),
        (("HEAD", own, &[STREAM], ""), 401, ""),
        (("HEAD", own, &[STREAM, granted], ""), 200, ""),
        (("GET", own, &[PAGE], ""), 401, "grant_missing"),
        (("GET", own, &[PAGE, granted], ""), 200, ""),
        (
            ("GET", "/events?topic=*", &[PAGE], ""),
            401,
            "grant_missing",
        ),
        (("GET", "/events?topic=*", &[PAGE, granted], ""), 200, ""),
        (
            ("GET", "/events?topic=users/8", &[STREAM, granted], ""),
            403,
            "topic_not_granted",
        ),
        (
            (
                "GET",
                "/events?topic=users/17/a&topic=users/8",
                &[PAGE, granted],
                "",
            ),
            403,
            "topic_not_granted",
        ),
        (
            ("GET", "/signals?name=counter", &[STREAM], ""),
            401,
            "grant_missing",
        ),
        (
            ("GET", "/signals?name=counter", &[STREAM, granted], ""),
            403,
            "topic_not_granted",
        ),
        (("GET", "/signals/counter", &[], ""), 401, "grant_missing"),
        (
            ("GET", "/signals/counter", &[granted], ""),
            403,
            "topic_not_granted",
        ),
        (("GET", "/signals", &[], ""), 200, ""),
        (("GET", "/topics", &[], ""), 200, ""),
    ];
    check(SubscribeAccess::Closed, cases);
}

#[test]
fn with_private_events_a_protected_topic_needs_a_grant_and_others_do_not() {
    let all = bearer(&token(&serde_json::json!({"sse": {"subscribe": ["*"]}})));
    let (all, granted) = (all.as_str(), bearer(&of_17()));
    let granted = granted.as_str();
    let cases: &[(Request<'_>, u16, &str)] = &[
        (
            ("GET", "/events?topic=users/17/notes", &[STREAM], ""),
            200,
            "",
        ),
        (
            ("GET", "/events?topic=staff", &[STREAM], ""),
            401,
            "grant_missing",
        ),
        (
            ("GET", "/events?topic=staff", &[PAGE, granted], ""),
            403,
            "topic_not_granted",
        ),
        (("GET", "/events?topic=staff", &[PAGE, all], ""), 200, ""),
        (
            ("GET", "/signals?name=secret", &[STREAM], ""),
            401,
            "grant_missing",
        ),
        (
            ("GET", "/signals?name=secret", &[STREAM, granted], ""),
            403,
            "topic_not_granted",
        ),
        (("GET", "/signals/secret", &[], ""), 401, "grant_missing"),
        (
            ("GET", "/signals/secret", &[all], ""),
            404,
            "no_such_signal",
        ),
        (("GET", "/signals/other", &[], ""), 404, "no_such_signal"),
    ];
    check(SubscribeAccess::PrivateEvents, cases);
}

#[test]
fn a_wrong_token_is_refused_and_never_taken_for_no_token_nor_for_the_cookie() {
    let good = of_17();
    let forged = format!("{}x", bearer(&good));
    let cookie = format!("cookie: sse_token={good}");
    let (forged, cookie) = (forged.as_str(), cookie.as_str());
    let in_query = format!("/events?topic=users/17/notes&token={good}");
    let wrong_in_query = format!("/events?topic=news&token={good}x");
    let own = "/events?topic=users/17/notes";
    let cases: &[(Request<'_>, u16, &str)] = &[
        (("GET", own, &[PAGE, forged], ""), 401, "token_signature"),
        (
            ("GET", own, &[PAGE, forged, cookie], ""),
            401,
            "token_signature",
        ),
        (
            ("GET", own, &[PAGE, "authorization: Basic dTpw", cookie], ""),
            400,
            "authorization_malformed",
        ),
        (
            ("GET", own, &[PAGE, "authorization: Bearer x"], ""),
            401,
            "token_malformed",
        ),
        (("GET", own, &[PAGE, cookie], ""), 200, ""),
        (("GET", &in_query, &[PAGE], ""), 200, ""),
        (
            ("GET", &wrong_in_query, &[PAGE], ""),
            401,
            "token_signature",
        ),
    ];
    check(SubscribeAccess::Closed, cases);
}

#[test]
fn a_publish_by_token_needs_a_grant_for_every_topic_and_by_cookie_a_page_of_this_site() {
    let token = of_17();
    let (granted, cookie) = (bearer(&token), format!("cookie: sse_token={token}"));
    let (granted, cookie) = (granted.as_str(), cookie.as_str());
    let reader = bearer(&crate::support::tokens::token(
        &serde_json::json!({"sse": {"subscribe": ["*"]}}),
    ));
    let reader = reader.as_str();
    let operator = "authorization: Bearer operator";
    let foreign = "origin: http://other.example";
    let private = r#"{"topic":"users/17/notes","data":"x","private":true}"#;
    let both = r#"{"topics":["news","staff"],"data":"x"}"#;
    let array = r#"[{"topic":"news","data":"x"},{"topic":"staff","data":"x"}]"#;
    let cases: &[(Request<'_>, u16, &str)] = &[
        (("POST", "/events?topic=news", &[granted], "x"), 200, ""),
        (
            ("POST", "/events?topic=staff", &[granted], "x"),
            403,
            "topic_not_granted",
        ),
        (
            ("POST", "/events", &[JSON, granted], both),
            403,
            "topic_not_granted",
        ),
        (
            ("POST", "/events", &[JSON, granted], array),
            403,
            "topic_not_granted",
        ),
        (("POST", "/events", &[JSON, granted], private), 200, ""),
        (
            ("POST", "/events?topic=news", &[reader], "x"),
            403,
            "topic_not_granted",
        ),
        (("POST", "/events?topic=news", &[], "x"), 401, "key_missing"),
        (("POST", "/events?topic=staff", &[operator], "x"), 200, ""),
        (
            (
                "POST",
                "/events?topic=staff",
                &["authorization: Bearer other"],
                "x",
            ),
            401,
            "wrong_key",
        ),
        (
            ("POST", "/events?topic=news", &[cookie], "x"),
            403,
            "foreign_page",
        ),
        (
            ("POST", "/events?topic=news", &[cookie, foreign], "x"),
            403,
            "foreign_page",
        ),
        (
            ("POST", "/events?topic=news", &[cookie, OWN_ORIGIN], "x"),
            200,
            "",
        ),
        (
            (
                "POST",
                "/events?topic=news",
                &[cookie, "referer: http://localhost/page"],
                "x",
            ),
            200,
            "",
        ),
        (
            ("GET", "/events/hello?topic=news", &[cookie, foreign], ""),
            403,
            "foreign_page",
        ),
        (
            ("GET", "/events/hello?topic=staff", &[granted], ""),
            403,
            "topic_not_granted",
        ),
        (
            ("PUT", "/signals/counter", &[JSON, granted], "1"),
            403,
            "topic_not_granted",
        ),
        (("PUT", "/signals/counter", &[JSON, operator], "1"), 201, ""),
    ];
    check(SubscribeAccess::PrivateEvents, cases);
}

#[test]
fn a_private_event_cannot_be_published_where_nobody_could_read_it() {
    let private = r#"{"topic":"news","data":"x","private":true}"#;
    let operator = "authorization: Bearer operator";
    let cases: &[(Request<'_>, u16, &str)] = &[
        (
            ("POST", "/events", &[JSON, operator], private),
            422,
            "private_events_disabled",
        ),
        (("POST", "/events?private=false", &[operator], "x"), 200, ""),
        (
            ("POST", "/events?private=maybe", &[operator], "x"),
            422,
            "wrong_type",
        ),
    ];
    check(SubscribeAccess::Open, cases);
}

#[test]
fn private_events_are_in_pages_and_lists_of_those_only_who_may_read_them() {
    let granted = bearer(&of_17());
    let granted = granted.as_str();
    let operator = "authorization: Bearer operator";
    let private = r#"{"topic":"users/17/notes","data":"private","private":true}"#;
    let public = r#"{"topic":"users/17/notes","data":"public"}"#;
    let page = "/events?topic=users/17/notes";
    let requests: &[Request<'_>] = &[
        ("POST", "/events", &[JSON, operator], private),
        ("POST", "/events", &[JSON, operator], public),
        ("GET", page, &[PAGE], ""),
        ("GET", page, &[PAGE, granted], ""),
        ("GET", "/topics", &[], ""),
        ("GET", "/topics", &[granted], ""),
    ];
    let responses = compare_with(configure(SubscribeAccess::PrivateEvents), requests);
    let body = |index: usize| &responses[index].body;
    assert!(
        !body(2).contains("\"private\"") && body(2).contains("\"public\""),
        "{}",
        body(2)
    );
    assert!(body(3).contains("\"data\":\"private\"") && body(3).contains("\"private\":true"));
    assert!(!body(4).contains("users/17") && body(5).contains("users/17/notes"));
}
