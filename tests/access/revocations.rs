//! Revocations: who may add them, what they end, and that they reach all nodes and outlive a kill.

use serde_json::{Value, json};

use crate::support::{
    Response, Server, Stream,
    redis::RedisServer,
    tokens::{SECRET, bearer, token},
    wait_until,
};

const KEY: &str = "the-key-of-an-operator";
const CLOSED: [&str; 6] = [
    "--subscribe-access",
    "closed",
    "--token-key",
    SECRET,
    "--admin-key",
    KEY,
];

fn revoke_with(server: &Server, lines: &str, body: &Value) -> Response {
    let head = format!("POST /admin/revoke HTTP/1.1\n{lines}");
    server.request(&head, body.to_string().as_bytes())
}

/// The rule as it was kept. It is sent again while others write, or the server is behind.
fn revoke(server: &Server, body: &Value) -> Value {
    let mut kept = None;
    wait_until("the rule is kept", || {
        let response = revoke_with(server, &bearer(KEY), body);
        assert!(matches!(response.status, 200 | 503), "{response:?}");
        kept = (response.status == 200).then(|| response.json());
        kept.is_some()
    });
    kept.expect("a rule")
}

fn revocations(server: &Server) -> Vec<Value> {
    let head = format!("GET /admin/revocations HTTP/1.1\n{}", bearer(KEY));
    let response = server.request(&head, b"");
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["revocations"].as_array().unwrap().clone()
}

/// A token of this user for all topics.
fn token_of(user: &str) -> String {
    token(&json!({ "sub": user, "sse": { "subscribe": ["*"], "publish": ["*"] } }))
}

fn page(server: &Server, token: &str) -> Response {
    let head = format!(
        "GET /events?topic=a HTTP/1.1\nAccept: application/json\n{}",
        bearer(token)
    );
    server.request(&head, b"")
}

fn subscribe(server: &Server, token: &str) -> Stream {
    let mut stream = server.subscribe_with("/events?topic=a", &bearer(token));
    assert_eq!(stream.next().unwrap().name, "connected");
    stream
}

/// Waits for the end of a stream.
fn expect_cut(stream: &mut Stream) {
    while stream.next().is_some() {}
}

/// A client signs in again: with a token of a later second.
fn expect_admitted_later(server: &Server, user: &str) {
    wait_until("a later token is admitted", || {
        page(server, &token_of(user)).status == 200
    });
}

#[test]
fn only_operators_revoke_and_there_is_no_such_route_where_nobody_can_get_a_grant() {
    let server = Server::start(&CLOSED);
    let body = json!({ "sub": "anna" });
    for (lines, status, code) in [
        (String::new(), 401, "key_missing"),
        (bearer("another-key-of-an-operator"), 401, "wrong_key"),
        (bearer(&token_of("anna")), 403, "admin_not_granted"),
    ] {
        let response = revoke_with(&server, &lines, &body);
        assert_eq!((response.status, response.code().as_str()), (status, code));
        let head = format!("GET /admin/revocations HTTP/1.1\n{lines}");
        assert_eq!(server.request(&head, b"").status, status);
    }
    let response = server.request(&format!("GET /admin/revoke HTTP/1.1\n{}", bearer(KEY)), b"");
    assert_eq!(response.status, 405);
    let response = revoke_with(&server, &bearer(KEY), &json!({}));
    assert_eq!(
        (response.status, response.code().as_str()),
        (422, "revocation_without_condition")
    );
    assert_eq!(revocations(&server), [] as [Value; 0]);
    let server = Server::start(&CLOSED[4..]);
    assert_eq!(revoke_with(&server, &bearer(KEY), &body).status, 404);
    assert_eq!(server.get("/admin/revocations").status, 404);
    // Without a key, a token may grant the rights of an operator.
    let server = Server::start(&CLOSED[..4]);
    let operator = bearer(&token(&json!({ "sse": { "admin": true } })));
    assert_eq!(revoke_with(&server, &operator, &body).status, 200);
}

#[test]
fn a_revoked_user_is_cut_and_refused_until_a_new_token_is_issued() {
    let server = Server::start(&CLOSED);
    let (anna, berta) = (token_of("anna"), token_of("berta"));
    let (mut cut, mut kept) = (subscribe(&server, &anna), subscribe(&server, &berta));
    let rule = revoke(&server, &json!({ "sub": "anna" }));
    expect_cut(&mut cut);
    wait_until("it is counted", || server.ended("grant_ended") == 1);
    assert!(
        rule["issued_before"].is_number() && rule["until"].is_number(),
        "{rule}"
    );
    let refused = page(&server, &anna);
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (401, "token_revoked")
    );
    assert_eq!(revocations(&server), [rule]);
    expect_admitted_later(&server, "anna");
    let head = format!("POST /events?topic=a HTTP/1.1\n{}", bearer(&berta));
    assert_eq!(server.request(&head, b"still here").status, 200);
    assert_eq!(kept.event().unwrap().data, "still here");
}

#[test]
fn grants_are_revoked_by_token_id_topic_and_time() {
    let server = Server::start(&CLOSED);
    let with = |claims: Value| {
        let mut all = json!({ "sub": "anna", "sse": { "subscribe": ["a"] } });
        let all = all.as_object_mut().unwrap();
        all.extend(claims.as_object().unwrap().clone());
        token(&json!(all))
    };
    let by_id = with(json!({ "jti": "t1" }));
    let by_topic = with(json!({ "sse": { "subscribe": ["a", "secrets/{id}"] } }));
    let by_time = with(json!({ "iat": 1_700_000_000 }));
    let other = with(json!({ "jti": "t2" }));
    for (body, token) in [
        (json!({ "token_id": "t1" }), &by_id),
        (json!({ "topic": "secrets/7" }), &by_topic),
        (json!({ "issued_before": "2024-01-01T00:00:00Z" }), &by_time),
    ] {
        assert_eq!(page(&server, token).status, 200, "{body}");
        revoke(&server, &body);
        assert_eq!(page(&server, token).code(), "token_revoked", "{body}");
        assert_eq!(page(&server, &other).status, 200, "{body}");
    }
    // All three are one value, of which each write has kept the others.
    assert_eq!(revocations(&server).len(), 3);
}

#[test]
fn no_client_reads_the_topic_of_revocations() {
    let server = Server::start(&CLOSED);
    let all = token_of("operator");
    let mut stream = server.subscribe_with("/events?topic=*", &bearer(&all));
    assert_eq!(stream.next().unwrap().name, "connected");
    revoke(&server, &json!({ "sub": "anna" }));
    let head = |path: &str| {
        format!(
            "GET {path} HTTP/1.1\nAccept: application/json\n{}",
            bearer(&all)
        )
    };
    let response = server.request(&head("/events?topic=$revocations"), b"");
    assert_eq!(
        (response.status, response.code().as_str()),
        (403, "topic_not_granted")
    );
    let topics = server.request(&head("/topics"), b"").text();
    let signals = server.request(&head("/signals"), b"").text();
    assert!(
        !topics.contains("revocations") && !signals.contains("revocations"),
        "{topics} {signals}"
    );
    let post = format!("POST /events?topic=a HTTP/1.1\n{}", bearer(&all));
    assert_eq!(server.request(&post, b"next").status, 200);
    assert_eq!(stream.event().unwrap().data, "next");
    // Where access is open, the events are private all the same.
    let server = Server::start(&CLOSED[2..]);
    revoke(&server, &json!({ "sub": "anna" }));
    let page = server.request(
        "GET /events?topic=$revocations&since=earliest HTTP/1.1\nAccept: application/json",
        b"",
    );
    assert!(!page.text().contains("anna"), "{page:?}");
}

#[test]
fn a_revocation_cuts_subscribers_of_the_hub_who_never_see_its_topic() {
    let hub = ["--mercure", "--admin-key", KEY];
    let keys = [
        "--mercure-subscriber-key",
        SECRET,
        "--mercure-publisher-key",
        SECRET,
    ];
    let server = Server::start(&[&hub[..], &keys].concat());
    let of = |user: &str| {
        token(&json!({ "sub": user, "mercure": { "subscribe": ["*"], "publish": ["*"] } }))
    };
    let (anna, berta) = (of("anna"), of("berta"));
    let subscribe =
        |token: &str| server.subscribe_with("/.well-known/mercure?topic=*", &bearer(token));
    let (mut cut, mut kept) = (subscribe(&anna), subscribe(&berta));
    revoke(&server, &json!({ "sub": "anna" }));
    expect_cut(&mut cut);
    let head = format!(
        "POST /.well-known/mercure HTTP/1.1\nContent-Type: application/x-www-form-urlencoded\n{}",
        bearer(&berta)
    );
    assert_eq!(
        server
            .request(&head, b"topic=https://example.com/a&data=next")
            .status,
        200
    );
    assert_eq!(kept.event().unwrap().data, "next");
}

#[test]
fn revocations_outlive_a_kill_with_a_log_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let settings = [&CLOSED[..], &["--data-dir", log.to_str().unwrap()]].concat();
    let server = Server::start(&settings);
    let anna = token_of("anna");
    let rule = revoke(&server, &json!({ "sub": "anna" }));
    server.signal("-KILL");
    drop(server);
    let server = Server::start(&settings);
    // From the first request on.
    assert_eq!(page(&server, &anna).code(), "token_revoked");
    assert_eq!(revocations(&server), [rule]);
    expect_admitted_later(&server, "anna");
}

fn nodes(redis: &RedisServer, count: usize) -> Vec<Server> {
    let url = format!("redis://127.0.0.1:{}", redis.port);
    let settings = [&CLOSED[..], &["--redis-url", &url]].concat();
    (0..count).map(|_| Server::start(&settings)).collect()
}

#[test]
fn a_revocation_reaches_three_nodes_on_one_redis_however_much_is_published() {
    let redis = RedisServer::start();
    let nodes = nodes(&redis, 3);
    let (anna, berta) = (token_of("anna"), token_of("berta"));
    let mut streams: Vec<_> = nodes.iter().map(|node| subscribe(node, &anna)).collect();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let batch: Value = (0..200)
                .map(|_| json!({ "topic": "b", "data": "x".repeat(500) }))
                .collect();
            let head = format!(
                "POST /events HTTP/1.1\nContent-Type: application/json\n{}",
                bearer(&berta)
            );
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let response = nodes[2].request(&head, batch.to_string().as_bytes());
                assert_eq!(response.status, 200, "{response:?}");
            }
        });
        revoke(&nodes[0], &json!({ "sub": "anna" }));
        for stream in &mut streams {
            expect_cut(stream);
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    for node in &nodes {
        assert_eq!(page(node, &anna).code(), "token_revoked");
    }
    expect_admitted_later(&nodes[1], "anna");
}

#[test]
fn nodes_that_revoke_at_the_same_time_keep_all_rules() {
    let redis = RedisServer::start();
    let nodes = nodes(&redis, 2);
    std::thread::scope(|scope| {
        for (number, node) in nodes.iter().enumerate() {
            scope.spawn(move || {
                for user in 0..20 {
                    revoke(node, &json!({ "sub": format!("{number}-{user}") }));
                }
            });
        }
    });
    for node in &nodes {
        wait_until("all rules are here", || revocations(node).len() == 40);
    }
}

#[test]
fn a_redis_that_was_emptied_gets_the_rules_of_its_nodes_back() {
    let redis = RedisServer::start();
    let old = nodes(&redis, 1);
    let anna = token_of("anna");
    revoke(&old[0], &json!({ "sub": "anna" }));
    redis.ask("FLUSHALL");
    wait_until("the rules are written again", || {
        redis.ask("HEXISTS {sse-broadcaster}:retained $revocations") == ":1"
    });
    let new = nodes(&redis, 1);
    assert_eq!(page(&new[0], &anna).code(), "token_revoked");
}

#[test]
fn a_node_keeps_its_rules_while_redis_is_down() {
    let mut redis = RedisServer::start();
    let nodes = nodes(&redis, 1);
    let anna = token_of("anna");
    revoke(&nodes[0], &json!({ "sub": "anna" }));
    redis.kill();
    let refused = revoke_with(&nodes[0], &bearer(KEY), &json!({ "sub": "berta" }));
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(page(&nodes[0], &anna).code(), "token_revoked");
    redis.run();
    wait_until("Redis is used again", || {
        revoke_with(&nodes[0], &bearer(KEY), &json!({ "sub": "berta" })).status == 200
    });
    assert_eq!(revocations(&nodes[0]).len(), 2);
}
