//! Who may use the routes of administration.

use serde_json::json;

use super::{KEY, ask, start};
use crate::support::{
    Response, Server,
    tokens::{Application, OTHER_SECRET, SECRET, bearer, token, token_by},
};

/// Each route with a method that it has.
const ROUTES: [(&str, &str); 7] = [
    ("GET", "/admin/status"),
    ("GET", "/admin/topics"),
    ("GET", "/admin/connections"),
    ("GET", "/admin/explain"),
    ("DELETE", "/admin/connections/0-0-0"),
    ("GET", "/admin/revocations"),
    ("POST", "/admin/revoke"),
];

fn request(server: &Server, method: &str, path: &str, lines: &str) -> Response {
    server.request(&format!("{method} {path} HTTP/1.1\n{lines}"), b"")
}

/// The status and code of the response to each route; the code is empty for a success.
fn outcomes(server: &Server, lines: &str) -> Vec<(u16, String)> {
    let responses = ROUTES.map(|(method, path)| request(server, method, path, lines));
    let outcome = |response: &Response| match response.status {
        200 => (200, String::new()),
        status => (status, response.code()),
    };
    responses.iter().map(outcome).collect()
}

/// Every route is refused with this status and code.
fn expect_refused(server: &Server, lines: &str, status: u16, code: &str) {
    for outcome in outcomes(server, lines) {
        assert_eq!(outcome, (status, code.to_owned()), "{lines}");
    }
}

/// No route is refused for who the client is.
fn expect_admitted(server: &Server, lines: &str) {
    for (status, code) in outcomes(server, lines) {
        let is_admitted = [200, 400, 404, 422].contains(&status);
        assert!(
            is_admitted && code != "not_found",
            "{status} {code}: {lines}"
        );
    }
}

#[test]
fn without_a_key_of_operators_and_without_grants_there_are_no_routes_of_administration() {
    let server = Server::start(&[]);
    expect_refused(&server, &bearer(KEY), 404, "not_found");
    let detail = request(&server, "GET", "/admin/status", "").text();
    assert!(detail.contains("--admin-key-file"), "{detail}");
}

#[test]
fn a_key_of_operators_is_needed_in_the_header_and_counts_nowhere_else() {
    let server = start(&["--token-key", SECRET, "--token-query"]);
    expect_admitted(&server, &bearer(KEY));
    expect_refused(&server, "", 401, "key_missing");
    expect_refused(
        &server,
        &bearer("another-key-of-an-operator"),
        401,
        "wrong_key",
    );
    expect_refused(
        &server,
        &format!("Authorization: Basic {KEY}"),
        401,
        "key_missing",
    );
    expect_refused(
        &server,
        &format!("Cookie: sse_token={KEY}"),
        401,
        "key_missing",
    );
    for name in ["token", "key", "admin_key", "authorization"] {
        let path = format!("/admin/status?{name}={KEY}");
        let response = request(&server, "GET", &path, "");
        assert_eq!(
            (response.status, response.code().as_str()),
            (401, "key_missing")
        );
    }
}

#[test]
fn a_token_that_grants_the_rights_of_an_operator_is_admitted_by_the_header_alone() {
    let server = start(&["--token-key", SECRET, "--token-query"]);
    let operator = token(&json!({ "sub": "anna", "sse": { "admin": true } }));
    expect_admitted(&server, &bearer(&operator));
    let reader = json!({ "sub": "berta", "sse": { "subscribe": ["*"], "admin": false } });
    expect_refused(&server, &bearer(&token(&reader)), 403, "admin_not_granted");
    let forged = token_by(OTHER_SECRET, &json!({ "sse": { "admin": true } }));
    expect_refused(&server, &bearer(&forged), 401, "token_signature");
    let malformed = token(&json!({ "sse": { "admin": "yes" } }));
    expect_refused(&server, &bearer(&malformed), 401, "token_claim");
    expect_refused(
        &server,
        &format!("Cookie: sse_token={operator}"),
        401,
        "key_missing",
    );
    let path = format!("/admin/status?token={operator}");
    assert_eq!(request(&server, "GET", &path, "").status, 401);
}

#[test]
fn connections_are_kept_only_where_there_is_a_key_of_operators() {
    let server = Server::start(&["--token-key", SECRET]);
    let operator = bearer(&token(&json!({ "sse": { "admin": true } })));
    let status = request(&server, "GET", "/admin/status", &operator);
    assert_eq!(status.status, 200, "{status:?}");
    for (method, path) in [ROUTES[2], ROUTES[3], ROUTES[4]] {
        let response = request(&server, method, path, &operator);
        assert_eq!(
            (response.status, response.code()),
            (404, "not_found".to_owned())
        );
        assert!(response.text().contains("--admin-key-file"), "{response:?}");
    }
}

#[test]
fn a_revoked_token_loses_the_rights_of_an_operator() {
    let server = start(&["--token-key", SECRET]);
    let operator = bearer(&token(&json!({ "jti": "t1", "sse": { "admin": true } })));
    expect_admitted(&server, &operator);
    let head = format!("POST /admin/revoke HTTP/1.1\n{operator}");
    let revoked = server.request(&head, br#"{"token_id":"t1"}"#);
    assert_eq!(revoked.status, 200, "{revoked:?}");
    expect_refused(&server, &operator, 401, "token_revoked");
}

#[test]
fn an_application_grants_the_rights_of_an_operator_for_a_header_and_never_for_a_cookie() {
    let application = Application::start(|head| {
        let is_operator = head.to_lowercase().contains("session-of-anna");
        (
            200,
            json!({ "user": "17", "admin": is_operator }).to_string(),
        )
    });
    let url = application.url("/sse/access");
    let settings = [
        "--authorize-url",
        &url,
        "--authorize-header",
        "Authorization",
    ];
    let server = start(&settings);
    expect_admitted(&server, &bearer("session-of-anna"));
    expect_refused(
        &server,
        &bearer("session-of-berta"),
        403,
        "admin_not_granted",
    );
    expect_refused(&server, "Cookie: sid=session-of-anna", 401, "key_missing");
    // The cookie of an operator beside the header of another client.
    let both = format!(
        "Cookie: sid=session-of-anna\n{}",
        bearer("session-of-berta")
    );
    expect_refused(&server, &both, 403, "admin_not_granted");
}

#[test]
fn a_request_under_a_foreign_name_is_refused_whatever_its_key() {
    let server = start(&[]);
    for (method, path) in &ROUTES[..5] {
        let head = format!("{method} {path} HTTP/1.1\n{}", bearer(KEY));
        let response = server.raw(&head, "rebound.example", b"");
        assert_eq!(
            (response.status, response.code().as_str()),
            (403, "foreign_host")
        );
    }
}

#[test]
fn responses_are_not_stored_and_other_methods_are_refused() {
    let server = start(&[]);
    for (method, path) in &ROUTES[..3] {
        let response = ask(&server, method, path);
        assert_eq!(response.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(response.header("access-control-allow-origin"), None);
        assert_eq!(ask(&server, "POST", path).status, 405, "{path}");
    }
    assert_eq!(ask(&server, "GET", "/admin/connections/0-0-0").status, 405);
    let unknown = ask(&server, "GET", "/admin/statu");
    assert_eq!(
        (unknown.status, unknown.code().as_str()),
        (404, "not_found")
    );
}
