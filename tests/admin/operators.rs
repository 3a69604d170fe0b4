//! The key of operators on all other routes: it reads, publishes and sees everything.

use std::fs;

use serde_json::json;

use super::KEY;
use crate::{
    mercure,
    support::{
        Response, Server,
        socket::Socket,
        tokens::{SECRET, bearer, token},
        wait_until,
    },
};

const CLOSED: [&str; 8] = [
    "--subscribe-access",
    "closed",
    "--token-key",
    SECRET,
    "--admin-key",
    KEY,
    "--presence",
    "room",
];

fn request(server: &Server, head: &str, body: &str) -> Response {
    let (first, rest) = head.split_once('\n').unwrap_or((head, ""));
    let head = format!("{first}\n{}\n{rest}", bearer(KEY));
    server.request(&head, body.as_bytes())
}

/// Publishes a private event as an operator.
fn publish(server: &Server, data: &str) -> String {
    let head = "POST /events HTTP/1.1\nContent-Type: application/json";
    let event = json!({ "topic": "users/17", "data": data, "private": true });
    let response = request(server, head, &event.to_string());
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["id"].as_str().unwrap().to_owned()
}

#[test]
fn an_operator_reads_and_publishes_private_events_on_every_kind_of_stream() {
    for path in ["", "--no-direct"] {
        let args: Vec<_> = path.split_whitespace().collect();
        let server = Server::start(&[&CLOSED[..], &args].concat());
        let mut stream = server.subscribe_with("/events?topic=*", &bearer(KEY));
        stream.until("connected");
        let mut socket = Socket::open_with(&server, "/ws?topic=*", &[&bearer(KEY)]);
        let id = publish(&server, "secret");
        let event = stream.event().unwrap();
        // An operator sees the id of each event, which others are sent encrypted.
        assert_eq!((event.data.as_str(), &event.id), ("secret", &id));
        assert_eq!(socket.data(1), ["secret"]);
        let published = socket.publish(&json!({ "topic": "other", "data": "said" }));
        assert_eq!(published["type"], "published", "{published}");
        assert_eq!(stream.event().unwrap().data, "said");
        let head = "GET /events?topic=users/17&last=9 HTTP/1.1\nAccept: application/json";
        let page = request(&server, head, "");
        assert_eq!(page.json()["events"][0]["data"], "secret", "{page:?}");
    }
}

#[test]
fn an_operator_sees_names_and_presence_and_writes_signals() {
    let server = Server::start(&CLOSED);
    let anna = token(&json!({ "sub": "anna", "sse": { "subscribe": ["room"] } }));
    let _anna = server.subscribe_with("/events?topic=room", &bearer(&anna));
    publish(&server, "x");
    let topics = request(&server, "GET /topics HTTP/1.1", "");
    assert_eq!(topics.json()["topics"][0]["name"], "users/17", "{topics:?}");
    wait_until("the presence is written", || {
        let list = request(&server, "GET /presence?topic=room&list=true HTTP/1.1", "");
        assert_eq!(list.status, 200, "{list:?}");
        list.json()["members"][0]["user"] == "anna"
    });
    let head = "PUT /signals/counter HTTP/1.1\nContent-Type: application/json";
    assert!(request(&server, head, "{\"value\":1}").status < 300);
    let signal = request(&server, "GET /signals/counter HTTP/1.1", "");
    assert_eq!(signal.json(), json!({ "value": 1 }));
    // No operator reads what is kept of revocations.
    let head = "GET /events?topic=$revocations HTTP/1.1\nAccept: application/json";
    assert_eq!(request(&server, head, "").code(), "topic_not_granted");
}

#[test]
fn the_key_counts_in_the_header_alone_and_a_wrong_one_is_refused() {
    let server = Server::start(&[&CLOSED[..], &["--token-query"]].concat());
    let read = |path: &str, line: &str| {
        let head = format!("GET {path} HTTP/1.1\nAccept: application/json\n{line}");
        let response = server.request(&head, b"");
        (response.status, response.code())
    };
    let malformed = (401, "token_malformed".to_owned());
    let wrong = bearer("another-key-of-an-operator");
    assert_eq!(read("/events?topic=a", &wrong), malformed);
    let cookie = format!("Cookie: sse_token={KEY}");
    assert_eq!(read("/events?topic=a", &cookie), malformed);
    assert_eq!(read(&format!("/events?topic=a&token={KEY}"), ""), malformed);
    let head = format!("POST /events?topic=a HTTP/1.1\n{cookie}");
    assert_eq!(server.request(&head, b"x").status, 401);
    let head = format!("POST /events?topic=a HTTP/1.1\n{wrong}");
    assert_eq!(server.request(&head, b"x").status, 401);
}

#[test]
fn an_operator_publishes_beside_publish_keys_and_not_where_nobody_may() {
    let server = Server::start(&["--admin-key", KEY, "--publish-key", "the-key-of-publishers"]);
    let head = "POST /events?topic=a HTTP/1.1";
    assert_eq!(request(&server, head, "x").status, 200);
    assert_eq!(server.request(head, b"x").status, 401);
    let server = Server::start(&["--admin-key", KEY, "--no-publish"]);
    assert_eq!(request(&server, head, "x").code(), "publishing_disabled");
}

#[test]
fn an_operator_subscribes_and_publishes_at_the_hub() {
    let server = mercure::hub(&["--admin-key", KEY]);
    let path = format!("{}?topic=*", mercure::HUB);
    let mut stream = server.subscribe_with(&path, &bearer(KEY));
    let form = "topic=https://example.com/a&data=secret&private=on";
    let published = mercure::publish_as(&server, &bearer(KEY), form);
    assert_eq!(published.status, 200, "{published:?}");
    assert_eq!(stream.event().unwrap().data, "secret");
}

#[test]
fn streams_of_a_key_that_is_removed_are_cut() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("admin-key");
    fs::write(&file, format!("{KEY}\n")).unwrap();
    let settings = [&CLOSED[..4], &["--admin-key-file", file.to_str().unwrap()]].concat();
    let server = Server::start(&settings);
    let mut stream = server.subscribe_with("/events?topic=*", &bearer(KEY));
    stream.until("connected");
    fs::write(&file, "another-key-of-an-operator\n").unwrap();
    server.signal("-HUP");
    while stream.next().is_some() {}
    let head = format!("GET /admin/status HTTP/1.1\n{}", bearer(KEY));
    assert_eq!(server.request(&head, b"").code(), "wrong_key");
}
