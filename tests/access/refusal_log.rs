//! Refusals of clients in the log: each once, at the level info, with its reason.

use serde_json::json;

use crate::support::{
    Server,
    socket::Socket,
    tokens::{SECRET, bearer, token},
};

const HUB: &str = "/.well-known/mercure";
const HUB_KEY: &str = "0123456789abcdef0123456789abcdef";
const OPERATOR: &str = "the-key-of-an-operator";
const SETTINGS: [&str; 12] = [
    "--subscribe-access",
    "closed",
    "--token-key",
    SECRET,
    "--admin-key",
    OPERATOR,
    "--mercure",
    "--mercure-subscriptions",
    "--mercure-publisher-key",
    HUB_KEY,
    "--mercure-subscriber-key",
    HUB_KEY,
];

/// Sends what is to be refused, and returns the one line of the log about it.
fn refused_line(server: &mut Server, send: impl FnOnce(&Server)) -> String {
    let before = refusals(server).len();
    send(server);
    // What is logged later is behind what this request logs.
    server.request("GET /admin/revocations HTTP/1.1\n", b"");
    server.wait_for_log("this needs the rights of an operator");
    let mut lines = refusals(server).split_off(before);
    lines.pop();
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0)
}

fn refusals(server: &mut Server) -> Vec<String> {
    let log = server.log();
    let lines = log.lines().filter(|line| line.contains("refused: "));
    lines.map(ToOwned::to_owned).collect()
}

fn other_grants() -> String {
    let sse = json!({ "subscribe": ["mine"], "publish": ["mine"] });
    token(&json!({ "sub": "anna", "jti": "t1", "sse": sse }))
}

fn hub_token(claims: &serde_json::Value) -> String {
    let claims = json!({ "sub": "berta", "mercure": claims });
    crate::support::tokens::token_by(&format!("HS256 {HUB_KEY}"), &claims)
}

/// A request that is refused: how its head begins, further lines, the body, and what its line of the log has.
type Case<'a> = (&'a str, &'a str, &'a str, Vec<&'a str>);

/// On the direct path and not.
fn assert_logged(cases: &[Case<'_>]) {
    for settings in [&[][..], &["--no-direct"]] {
        let mut server = Server::start(&[&SETTINGS[..], settings].concat());
        for (start, lines, body, parts) in cases {
            let head = format!("{start} HTTP/1.1\n{lines}");
            let line = refused_line(&mut server, |server| {
                let response = server.request(&head, body.as_bytes());
                assert!(matches!(response.status, 401 | 403), "{response:?}");
            });
            for part in parts {
                assert!(line.contains(part), "{head}: no {part} in {line}");
            }
            assert!(line.len() < 700 && !line.contains("eyJ"), "{line}");
        }
    }
}

#[test]
fn every_refusal_of_a_client_is_logged_once_at_info_with_topic_user_and_issuer() {
    let granted = bearer(&other_grants());
    let stream = "Accept: text/event-stream";
    let not_granted = |topic: &'static str| {
        let anna = ["sub \"anna\"", "token id \"t1\"", "issuer \""];
        [&["403 topic_not_granted", topic][..], &anna].concat()
    };
    let missing = |reason: &'static str| vec!["401 grant_missing", reason];
    let (news, signal) = ("GET /events?topic=news", "GET /signals?name=a");
    let post = "POST /events?topic=news";
    let publishing = "publishing to the topic news";
    let writing = "writing to the topic $signal/a";
    let operator = bearer("another-key-of-an-operator");
    let wrong_key = vec!["401 wrong_key", "--admin-key"];
    assert_logged(&[
        (news, stream, "", missing("the topic news")),
        (news, &granted, "", not_granted("the topic news")),
        (signal, stream, "", missing("the topic $signal/a")),
        ("GET /signals/a", &granted, "", not_granted("$signal/a")),
        ("PUT /signals/a", &granted, "1", not_granted(writing)),
        (post, &granted, "x", not_granted(publishing)),
        (post, "", "x", missing("publishing")),
        ("POST /admin/revoke", &operator, "{}", wrong_key),
    ]);
}

#[test]
fn every_refusal_of_a_client_of_the_hub_is_logged_once_at_info() {
    let form = "Content-Type: application/x-www-form-urlencoded";
    let nothing = bearer(&hub_token(&json!({ "publish": [] })));
    let news = hub_token(&json!({ "publish": ["news"] }));
    let by_cookie = format!("{form}\nCookie: mercureAuthorization={news}");
    let foreign = format!("{by_cookie}\nOrigin: https://evil.example");
    let subscriber = bearer(&hub_token(&json!({ "subscribe": ["news"] })));
    let get = format!("GET {HUB}?topic=news");
    let list = format!("GET {HUB}/subscriptions");
    let post = format!("POST {HUB}");
    let by_nothing = format!("{form}\n{nothing}");
    let by_news = format!("{form}\n{}", bearer(&news));
    let missing = |reason: &'static str| vec!["401 grant_missing", reason];
    let berta = |parts: [&'static str; 2]| [&parts[..], &["sub \"berta\""]].concat();
    let not_granted = |reason: &'static str| berta(["401 topic_not_granted", reason]);
    let page = |reason: &'static str| berta(["401 foreign_page", reason]);
    assert_logged(&[
        (&get, "", "", missing("subscribing")),
        (&post, form, "topic=news", missing("publishing")),
        (&post, &by_nothing, "topic=news", not_granted("no topic")),
        (&post, &by_news, "topic=olds", not_granted("the topic olds")),
        (&post, &by_cookie, "topic=news", page("neither Origin")),
        (&post, &foreign, "topic=news", page("another site")),
        (&list, "", "", missing("the list of subscriptions")),
        (&list, &subscriber, "", not_granted("/subscriptions")),
    ]);
}

#[test]
fn a_message_of_a_websocket_that_is_refused_is_logged_as_a_request_is() {
    let mut server = Server::start(&SETTINGS);
    let granted = bearer(&other_grants());
    let line = refused_line(&mut server, |server| {
        let mut socket = Socket::open_with(server, "/ws?topic=mine", &[&granted]);
        let refused = socket.publish(&json!({ "topic": "news", "data": "x" }));
        assert_eq!(refused["code"], "topic_not_granted");
    });
    assert!(
        line.contains("the topic news") && line.contains("sub \"anna\""),
        "{line}"
    );
}

#[test]
fn a_revoked_token_is_logged_with_its_user_and_its_id() {
    let mut server = Server::start(&SETTINGS);
    let operator = format!("POST /admin/revoke HTTP/1.1\n{}", bearer(OPERATOR));
    let revoked = server.request(&operator, br#"{"token_id":"t1"}"#);
    assert_eq!(revoked.status, 200, "{revoked:?}");
    let head = format!(
        "GET /events?topic=mine HTTP/1.1\n{}",
        bearer(&other_grants())
    );
    let line = refused_line(&mut server, |server| {
        assert_eq!(server.request(&head, b"").status, 401);
    });
    for part in [
        "401 token_revoked",
        "sub \"anna\"",
        "token id \"t1\"",
        "issuer \"",
    ] {
        assert!(line.contains(part), "no {part} in {line}");
    }
}

#[test]
fn what_a_client_chose_is_cut_in_the_log() {
    let mut server = Server::start(&SETTINGS);
    let user = token(&json!({ "sub": "x".repeat(3_000), "sse": { "subscribe": ["mine"] } }));
    let topic = "t".repeat(250);
    let head = format!("GET /events?topic={topic} HTTP/1.1\n{}", bearer(&user));
    let line = refused_line(&mut server, |server| {
        assert_eq!(server.request(&head, b"").status, 403);
    });
    assert!(line.len() < 1_200 && line.contains('…'), "{line}");
}

#[test]
fn a_grant_that_does_not_cover_the_topic_is_logged_with_the_key_id_of_its_token() {
    // The secret of the tests in base64url.
    let k = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";
    let set = json!({ "keys": [{ "kty": "oct", "alg": "HS256", "kid": "autumn", "k": k }] });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), set.to_string()).unwrap();
    let mut server = Server::start(&[
        "--subscribe-access",
        "closed",
        "--admin-key",
        OPERATOR,
        "--token-key-file",
        file.path().to_str().unwrap(),
    ]);
    let line = refused_line(&mut server, |server| {
        let granted = bearer(&other_grants());
        let response = server.request(&format!("GET /events?topic=news HTTP/1.1\n{granted}"), b"");
        assert_eq!(response.status, 403, "{response:?}");
    });
    assert!(line.contains("key id \"autumn\""), "{line}");
}

#[test]
fn a_missing_grant_says_how_clients_of_this_server_get_one() {
    const TOKEN: &str = "in the cookie sid";
    const SESSION: &str = "sign in to the application";
    let (key, cookie) = (["--token-key", SECRET], ["--token-cookie", "sid"]);
    let application = ["--authorize-url", "http://127.0.0.1:1/"];
    let tokens = [&key[..], &cookie].concat();
    let both = [&tokens[..], &application].concat();
    for (settings, said) in [
        (&tokens[..], [true, false]),
        (&application, [false, true]),
        (&both, [true, true]),
    ] {
        let server = Server::start(&[&["--subscribe-access", "closed"], settings].concat());
        for head in [
            "GET /events?topic=a HTTP/1.1",
            "POST /events?topic=a HTTP/1.1",
        ] {
            let response = server.request(head, b"x");
            assert_eq!(response.code(), "grant_missing", "{response:?}");
            let detail = response.json()["detail"].to_string();
            let parts = [detail.contains(TOKEN), detail.contains(SESSION)];
            assert_eq!(parts, said, "{detail}");
        }
    }
}
