//! Tokens and sessions at a server: where they are read from, and that no output shows one.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::json;

use crate::support::{
    Server,
    tokens::{Application, SECRET, bearer, token},
    wait_until,
};

const CLOSED: [&str; 4] = ["--subscribe-access", "closed", "--token-key", SECRET];

fn page(server: &Server, query: &str, lines: &str) -> u16 {
    let head = format!("GET /events?topic=a{query} HTTP/1.1\nAccept: application/json\n{lines}");
    server.request(&head, b"").status
}

fn publish(server: &Server, topic: &str, lines: &str) -> u16 {
    let head = format!("POST /events?topic={topic} HTTP/1.1\n{lines}");
    server.request(&head, b"x").status
}

#[test]
fn with_keys_of_tokens_every_publish_needs_a_grant() {
    let server = Server::start(&["--token-key", SECRET]);
    let granted = bearer(&token(&json!({ "sse": { "publish": ["a"] } })));
    assert_eq!(publish(&server, "a", ""), 401);
    assert_eq!(publish(&server, "a", &granted), 200);
    assert_eq!(publish(&server, "b", &granted), 403);
    // Reading needs none.
    assert_eq!(page(&server, "", ""), 200);
}

#[test]
fn a_token_is_read_from_the_header_or_the_cookie_of_the_settings_and_from_the_query_only_if_enabled()
 {
    let granted = token(&json!({ "sse": { "subscribe": ["a"] } }));
    let cookie = |name: &str| format!("Cookie: other=1; {name}={granted}");
    let query = format!("&token={granted}");
    let server = Server::start(&CLOSED);
    assert_eq!(page(&server, "", ""), 401);
    assert_eq!(page(&server, "", &bearer(&granted)), 200);
    assert_eq!(page(&server, "", &cookie("sse_token")), 200);
    assert_eq!(page(&server, "", &cookie("session")), 401);
    assert_eq!(page(&server, &query, ""), 401);
    let settings = ["--token-cookie", "session", "--token-query"];
    let server = Server::start(&[&CLOSED[..], &settings].concat());
    assert_eq!(page(&server, "", &cookie("sse_token")), 401);
    assert_eq!(page(&server, "", &cookie("session")), 200);
    assert_eq!(page(&server, &query, ""), 200);
}

#[test]
fn no_output_ever_has_a_token_or_a_cookie_of_a_session() {
    let application = Application::start(|_| (401, String::new()));
    let url = application.url("/sse");
    let settings = ["--token-query", "--log", "trace", "--authorize-url", &url];
    let mut server = Server::start(&[&CLOSED[..], &settings].concat());
    let good = token(&json!({ "sub": "anna", "sse": { "subscribe": ["a"] } }));
    let bad = format!("{}x", token(&json!({ "sub": "berta" })));
    let mut said = String::new();
    for token in [&good, &bad] {
        for (query, lines) in [
            (String::new(), bearer(token)),
            (String::new(), format!("Cookie: sse_token={token}")),
            (format!("&token={token}"), String::new()),
        ] {
            for path in ["/events", "/ws", "/signals", "/none", "/events/x"] {
                let head = format!("GET {path}?topic=b{query} HTTP/1.1\n{lines}");
                let response = server.request(&head, b"");
                said += &(response.head.clone() + &response.text());
            }
        }
    }
    let session = "session=a-session-that-nobody-may-see";
    assert_eq!(page(&server, "", &format!("Cookie: {session}")), 401);
    server.signal("-INT");
    server.wait();
    server.wait_for_log("draining");
    said += &server.log();
    // The reason of a refusal is there.
    assert!(
        said.contains("token refused by check token_signature"),
        "{said}"
    );
    for secret in [&good, &bad, session, SECRET] {
        let signature = secret.rsplit('.').next().unwrap();
        assert!(!said.contains(signature), "{signature} is in {said}");
    }
}

#[test]
fn an_application_says_what_a_session_may_do_by_its_cookies_and_the_headers_of_the_settings() {
    let application = Application::start(|head| {
        if head.to_lowercase().contains("cookie: sid=anna") {
            let grants = json!({ "user": "anna", "ttl": 60, "subscribe": ["a"], "publish": ["b"] });
            return (200, grants.to_string());
        }
        (401, String::new())
    });
    let url = application.url("/sse/access");
    let server = Server::start(&[
        "--subscribe-access",
        "closed",
        "--authorize-url",
        &url,
        "--authorize-header",
        "X-Tenant",
        "--authorize-cookie",
        "sid",
    ]);
    let anna = "Cookie: analytics=1; sid=anna\nX-Tenant: acme\nX-Other: 1";
    assert_eq!(page(&server, "", anna), 200);
    assert_eq!(page(&server, "", "Cookie: sid=berta"), 401);
    let own_page = format!("{anna}\nOrigin: http://{}", server.address);
    assert_eq!(publish(&server, "b", &own_page), 200);
    assert_eq!(publish(&server, "a", &own_page), 403);
    assert_eq!(
        publish(
            &server,
            "b",
            &format!("{anna}\nOrigin: https://evil.example")
        ),
        403
    );
    let heads = application.heads();
    assert_eq!(
        heads.len(),
        2,
        "each session is asked about once: {heads:?}"
    );
    let head = heads[0].to_lowercase();
    assert!(
        head.contains("cookie: sid=anna\r\n") && head.contains("x-tenant: acme\r\n"),
        "{head}"
    );
    assert!(
        !head.contains("analytics") && !head.contains("x-other"),
        "{head}"
    );
}

#[test]
fn while_the_application_is_down_admitted_sessions_stay_and_new_ones_are_sent_away_for_a_moment() {
    let is_up = Arc::new(AtomicBool::new(true));
    let application = Application::start({
        let is_up = Arc::clone(&is_up);
        move |_| {
            if is_up.load(Ordering::SeqCst) {
                let grants =
                    json!({ "user": "anna", "ttl": 60, "subscribe": ["a"], "publish": ["a"] });
                return (200, grants.to_string());
            }
            (502, "down".to_owned())
        }
    });
    let url = application.url("/");
    let server = Server::start(&["--subscribe-access", "closed", "--authorize-url", &url]);
    let mut stream = server.subscribe_with("/events?topic=a", "Cookie: sid=1");
    assert_eq!(stream.next().unwrap().name, "connected");
    is_up.store(false, Ordering::SeqCst);
    // One that it knows needs no application.
    assert_eq!(page(&server, "", "Cookie: sid=1"), 200);
    let head = "GET /events?topic=a HTTP/1.1\nAccept: application/json\nCookie: sid=2";
    let refused = server.request(head, b"");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(refused.code(), "authorization_unavailable");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    // An EventSource would end for good at a 503.
    let mut away = server.subscribe_with(
        "/events?topic=a",
        "Accept: text/event-stream\nCookie: sid=2",
    );
    let last = away.next().unwrap();
    assert!(last.name == "position" && last.retry.is_some(), "{last:?}");
    assert_eq!(away.next(), None);
    is_up.store(true, Ordering::SeqCst);
    wait_until("the new session is admitted", || {
        page(&server, "", "Cookie: sid=2") == 200
    });
    let own_page = format!("Cookie: sid=1\nOrigin: http://{}", server.address);
    assert_eq!(publish(&server, "a", &own_page), 200);
    assert_eq!(stream.event().unwrap().data, "x");
}

#[test]
fn a_visitor_who_is_not_signed_in_reads_what_is_public_whatever_cookies_there_are() {
    let application = Application::start(|_| (401, String::new()));
    let url = application.url("/sse/access");
    let server = Server::start(&[
        "--subscribe-access",
        "private-events",
        "--protected-topic",
        "staff",
        "--authorize-url",
        &url,
    ]);
    let visitor = "Cookie: theme=dark";
    assert_eq!(page(&server, "", visitor), 200);
    assert_eq!(page(&server, "&topic=staff", visitor), 401);
    assert_eq!(application.heads().len(), 1, "the response is kept");
}

#[test]
fn an_application_that_fails_is_reported_once_and_its_recovery_too() {
    let is_down = Arc::new(AtomicBool::new(true));
    let down = Arc::clone(&is_down);
    let application = Application::start(move |_| {
        if down.load(Ordering::SeqCst) {
            return (500, String::new());
        }
        (200, json!({ "subscribe": ["a"] }).to_string())
    });
    let url = application.url("/sse");
    let mut server = Server::start(&["--subscribe-access", "closed", "--authorize-url", &url]);
    for session in 0..5 {
        assert_eq!(page(&server, "", &format!("Cookie: sid={session}")), 503);
    }
    is_down.store(false, Ordering::SeqCst);
    for session in 0..5 {
        assert_eq!(page(&server, "", &format!("Cookie: sid={session}")), 200);
    }
    server.wait_for_log("has recovered");
    let log = server.log();
    let warned = log
        .lines()
        .filter(|line| line.contains("WARN") && line.contains("answered with status 500"));
    assert_eq!(warned.count(), 1, "{log}");
    assert_eq!(
        log.matches(&format!("the application at {url} has recovered"))
            .count(),
        1,
        "{log}"
    );
}

#[test]
fn the_reason_of_a_refused_stream_is_logged_once() {
    let mut server = Server::start(&CLOSED);
    let wrong = format!("{}x", bearer(&token(&json!({ "sub": "anna" }))));
    let head = format!("GET /events?topic=a HTTP/1.1\nAccept: text/event-stream\n{wrong}");
    assert_eq!(server.request(&head, b"").status, 401);
    server.signal("-INT");
    server.wait();
    server.wait_for_log("draining");
    let log = server.log();
    let lines = log.lines().filter(|line| line.contains("token_signature"));
    assert_eq!(lines.count(), 1, "{log}");
}

#[test]
fn no_mutated_token_is_admitted_and_none_makes_the_server_fail() {
    let server = Server::start(&CLOSED);
    let good = token(&json!({ "sub": "anna", "sse": { "subscribe": ["a"] } }));
    let mut rng = fastrand::Rng::with_seed(18);
    assert_eq!(page(&server, "", &bearer(&good)), 200);
    for _ in 0..2_000 {
        let mutated = mutated(&good, &mut rng);
        if mutated == good {
            continue;
        }
        let status = page(&server, "", &bearer(&mutated));
        assert!(matches!(status, 400 | 401), "{status}: {mutated}");
    }
}

/// The token with a few characters replaced, left out, repeated or exchanged.
fn mutated(token: &str, rng: &mut fastrand::Rng) -> String {
    const CHARACTERS: &[u8] = b"ABCXYZabcxyz0189-_.=+/ ";
    let mut bytes = token.as_bytes().to_vec();
    for _ in 0..rng.usize(1..4) {
        let at = rng.usize(..bytes.len());
        match rng.u8(..4) {
            0 => bytes[at] = CHARACTERS[rng.usize(..CHARACTERS.len())],
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, CHARACTERS[rng.usize(..CHARACTERS.len())]),
            _ => {
                let other = rng.usize(..bytes.len());
                bytes.swap(at, other);
            }
        }
    }
    // Spaces around a token are not part of it.
    String::from_utf8_lossy(&bytes).trim().to_owned()
}
