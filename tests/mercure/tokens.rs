//! Tokens of both versions at one hub, and errors in the form of each.

use serde_json::json;

use super::{
    HUB, HUB_URL, PUBLISHER_KEY, SUBSCRIBER_KEY, access_token, access_token_of, everything, get,
    hub, publish_as, publisher, subscriber, subscriber_token,
};
use crate::support::{
    Server,
    tokens::{SECRET, bearer, token_by},
};

const METADATA: &str =
    "https://events.example.com/.well-known/oauth-protected-resource/.well-known/mercure";

/// The status of a subscription with these lines.
fn status(server: &Server, lines: &str) -> u16 {
    let head = format!("HEAD {HUB}?topic=a HTTP/1.1\n{lines}");
    server.request(&head, b"").status
}

#[test]
fn without_a_token_there_is_a_challenge_unless_anonymous_clients_may_subscribe() {
    let server = hub(&[]);
    let missing = format!("Bearer resource_metadata=\"{METADATA}\"");
    let response = get(&server, &format!("{HUB}?topic=a"), "");
    assert_eq!(response.status, 401);
    assert_eq!(response.header("www-authenticate"), Some(&missing[..]));
    let response = publish_as(&server, "", "topic=a");
    assert_eq!(
        (response.status, response.header("www-authenticate")),
        (401, Some(&missing[..]))
    );
    let open = hub(&["--mercure-anonymous"]);
    assert_eq!(status(&open, ""), 200);
    assert_eq!(publish_as(&open, "", "topic=a").status, 401);
    // A token that is wrong is wrong there as well.
    assert_eq!(status(&open, &bearer(&"x".repeat(50))), 401);
}

#[test]
fn each_role_of_0_x_has_a_key_of_its_own_and_a_token_need_not_end() {
    let server = hub(&[]);
    let claims = json!({ "mercure": { "publish": ["*"], "subscribe": ["*"] } });
    let by = |key: &str| bearer(&token_by(&format!("HS256 {key}"), &claims));
    assert_eq!(
        publish_as(&server, &by(PUBLISHER_KEY), "topic=a").status,
        200
    );
    assert_eq!(
        publish_as(&server, &by(SUBSCRIBER_KEY), "topic=a").status,
        401
    );
    assert_eq!(status(&server, &by(SUBSCRIBER_KEY)), 200);
    assert_eq!(status(&server, &by(PUBLISHER_KEY)), 401);
    let endless = sse_broadcaster_access::mint::NewToken::new(&claims).unwrap();
    let key = sse_broadcaster_access::mint::SigningKey::parse(&format!("HS256 {PUBLISHER_KEY}"));
    let endless = endless.without_expiry().create(&key.unwrap()).unwrap();
    assert_eq!(
        publish_as(&server, &bearer(&endless), "topic=a").status,
        200
    );
    let expired = json!({ "exp": 1_000_000, "mercure": { "subscribe": ["*"] } });
    assert_eq!(status(&server, &bearer(&subscriber_token(&expired))), 401);
    // A valid token without grants reads public events.
    assert_eq!(status(&server, &bearer(&subscriber_token(&json!({})))), 200);
}

#[test]
fn an_access_token_never_falls_back_to_the_rules_of_0_x() {
    let server = hub(&[]);
    let details = json!([{
        "type": "https://mercure.rocks/authorization-detail",
        "actions": ["subscribe"],
        "topics": [{ "match": "*" }],
    }]);
    let iss = "https://login.example.com";
    let good = json!({ "iss": iss, "aud": [HUB_URL], "authorization_details": details });
    assert_eq!(status(&server, &access_token_of(&good)), 200);
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        access_token_of(&claims)
    };
    let with = |name: &str, value: serde_json::Value| {
        let mut claims = good.clone();
        claims[name] = value;
        access_token_of(&claims)
    };
    let mut wrong = vec![
        without("iss"),
        without("aud"),
        with("iss", json!("https://other.example.com")),
        with(
            "aud",
            json!("https://other.example.com/.well-known/mercure"),
        ),
        with("exp", json!(1_000_000)),
        with("authorization_details", json!({})),
        with(
            "authorization_details",
            json!([{
                "type": "https://mercure.rocks/authorization-detail",
                "actions": ["subscribe"],
                "topics": ["*"],
            }]),
        ),
    ];
    // By the keys of 0.x, with a claim of 0.x.
    let claims = json!({ "mercure": { "subscribe": ["*"] } });
    let key = sse_broadcaster_access::mint::SigningKey::parse(&format!("HS256 {SUBSCRIBER_KEY}"));
    let token = sse_broadcaster_access::mint::NewToken::new(&claims).unwrap();
    wrong.push(bearer(&token.access_token().create(&key.unwrap()).unwrap()));
    for lines in wrong {
        let response = get(&server, &format!("{HUB}?topic=a"), &lines);
        assert_eq!(response.status, 401, "{response:?}");
        let challenge = format!("Bearer error=\"invalid_token\", resource_metadata=\"{METADATA}\"");
        assert_eq!(response.header("www-authenticate"), Some(&challenge[..]));
    }
    // Entries of other types count for nothing, whatever their shape.
    let others = json!([{ "type": "x", "topics": 5 }, details[0]]);
    assert_eq!(status(&server, &with("authorization_details", others)), 200);
}

#[test]
fn a_token_is_read_from_the_header_then_the_query_of_0_x_then_either_cookie() {
    let server = hub(&[]);
    let zero = subscriber_token(&json!({ "mercure": { "subscribe": ["*"] } }));
    let one = access_token(&["subscribe"], &everything());
    let one = one.strip_prefix("Authorization: Bearer ").unwrap();
    assert_eq!(
        status(
            &server,
            &format!("Cookie: a=b; mercureAuthorization={zero}")
        ),
        200
    );
    assert_eq!(
        status(
            &server,
            &format!("Cookie: __Secure-mercure_access_token={one}")
        ),
        200
    );
    let query = |token: &str, lines: &str| {
        let head = format!("HEAD {HUB}?topic=a&authorization={token} HTTP/1.1\n{lines}");
        server.request(&head, b"").status
    };
    assert_eq!(query(&zero, ""), 200);
    assert_eq!(
        query(one, ""),
        401,
        "an access token is not read from the query"
    );
    assert_eq!(
        query("bad", &format!("Cookie: mercureAuthorization={zero}")),
        401
    );
    // A wrong header is an error, and never a fall-back.
    for header in [
        "Authorization: Basic eA==",
        "Authorization: Bearer",
        "Authorization: Bearer x",
    ] {
        let lines = format!("{header}\nCookie: mercureAuthorization={zero}");
        assert_eq!(status(&server, &lines), 401, "{header}");
    }
    assert_eq!(
        status(&server, &format!("authorization: bearer {one}")),
        200
    );
}

#[test]
fn a_cookie_publishes_only_from_pages_of_admitted_origins() {
    let server = hub(&["--publish-origin", "https://app.example.com"]);
    let zero = publisher(&["*"]);
    let zero = zero.strip_prefix("Authorization: Bearer ").unwrap();
    let one = access_token(&["publish"], &everything());
    let one = one.strip_prefix("Authorization: Bearer ").unwrap();
    for (page, admitted) in [
        ("Origin: https://app.example.com", true),
        ("Referer: https://app.example.com/page?x", true),
        ("Origin: https://other.example.com", false),
        (
            "Origin: https://other.example.com\nReferer: https://app.example.com/",
            false,
        ),
        ("Referer: https://app.example.com.evil.com/", false),
        ("", false),
    ] {
        let lines = format!("Cookie: mercureAuthorization={zero}\n{page}");
        let response = publish_as(&server, &lines, "topic=a");
        assert_eq!(
            response.status,
            if admitted { 200 } else { 401 },
            "{page}: {response:?}"
        );
        let lines = format!("Cookie: __Secure-mercure_access_token={one}\n{page}");
        let response = publish_as(&server, &lines, "topic=a");
        assert_eq!(
            response.status,
            if admitted { 200 } else { 400 },
            "{page}: {response:?}"
        );
        if !admitted {
            let challenge = response.header("www-authenticate").unwrap();
            assert!(
                challenge.contains("error=\"invalid_request\""),
                "{challenge}"
            );
        }
    }
}

#[test]
fn tokens_of_the_servers_issuers_count_with_either_claim_and_the_reason_of_a_refusal_is_logged() {
    let mut server = hub(&[]);
    let claims = json!({ "iss": "https://login.example.com", "mercure": { "subscribe": ["*"] } });
    assert_eq!(status(&server, &bearer(&token_by(SECRET, &claims))), 200);
    let bad = bearer(&token_by("HS256 fedcba9876543210fedcba9876543210", &claims));
    assert_eq!(status(&server, &bad), 401);
    let line = server.wait_for_log("token refused");
    assert!(line.contains("token_signature"), "{line}");
    assert_eq!(server.log().matches("token refused").count(), 1);
    assert_eq!(status(&server, &subscriber(&["*"])), 200);
}

#[test]
fn a_hub_that_no_client_could_use_does_not_start_and_keys_are_read_from_files_again() {
    let refused = Server::try_spawn(crate::support::command(&[
        "--listen",
        "127.0.0.1:0",
        "--mercure",
    ]));
    let refused = refused.err().expect("no start");
    assert!(
        refused.contains("--mercure-publisher-key-file"),
        "{refused}"
    );
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    std::fs::write(&file, format!("{SUBSCRIBER_KEY}\n")).unwrap();
    let arguments = [
        "--mercure",
        "--mercure-subscriber-key-file",
        file.to_str().unwrap(),
    ];
    let server = Server::start(&arguments);
    assert_eq!(status(&server, &subscriber(&["*"])), 200);
    std::fs::write(&file, "another secret that is long enough for HS256").unwrap();
    server.signal("-HUP");
    crate::support::wait_until("the old key is gone", || {
        status(&server, &subscriber(&["*"])) == 401
    });
}

#[test]
fn url_patterns_of_a_token_are_relative_to_the_hub() {
    let server = hub(&[]);
    let topics = json!([{ "match": "/books/:id", "match_type": "urlpattern" }]);
    let token = access_token(&["publish"], &topics);
    for (topic, status) in [
        ("%2Fbooks%2F1", 200),
        ("https%3A%2F%2Fevents.example.com%2Fbooks%2F1", 200),
        ("https%3A%2F%2Fother.example.com%2Fbooks%2F1", 403),
        ("%2Fbooks", 403),
    ] {
        let response = publish_as(&server, &token, &format!("topic={topic}"));
        assert_eq!(response.status, status, "{topic}: {response:?}");
    }
}

/// Whoever holds a token for another hub must not choose by the `Host` which hub this one is.
#[test]
fn without_its_url_a_hub_takes_only_names_of_this_machine_and_of_the_settings_for_its_audience() {
    let issuer = [
        "--token-key",
        SECRET,
        "--token-issuer",
        "https://login.example.com",
    ];
    let arguments = ["--mercure", "--host", "hub.example", "--host", "*"];
    let proxy = ["--trusted-proxy", "127.0.0.1"];
    let server = Server::start(&[&issuer[..], &arguments, &proxy].concat());
    let status_of = |host: &str, proxied: &str| {
        let scheme = if proxied.is_empty() { "http" } else { "https" };
        let claims = json!({
            "iss": "https://login.example.com",
            "aud": format!("{scheme}://{host}{HUB}"),
            "authorization_details": [{
                "type": "https://mercure.rocks/authorization-detail",
                "actions": ["subscribe"],
                "topics": [{ "match": "*" }],
            }],
        });
        let token = access_token_of(&claims);
        let head = format!("GET {HUB}?match=a HTTP/1.1\n{token}\n{proxied}");
        server.status_line_of(&head, host)
    };
    assert_eq!(status_of("localhost:3000", ""), 200);
    assert_eq!(status_of("hub.example", "X-Forwarded-Proto: https"), 200);
    assert_eq!(status_of("hub-a.example", "X-Forwarded-Proto: https"), 401);
    assert_eq!(status_of("192.0.2.1", ""), 401);
}
