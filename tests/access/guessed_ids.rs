//! An id that a client guesses tells it nothing of an event that it may not read.

use serde_json::json;

use super::publish;
use crate::support::{
    Server,
    redis::RedisServer,
    tokens::{SECRET, bearer, token},
};

const EVENTS: usize = 60;

struct Ids {
    private: String,
    /// Of the same millisecond, and no event's.
    unknown: String,
    public: String,
}

fn publish_some(server: &Server) -> Ids {
    publish(server, &json!({ "topic": "a", "data": "first" }));
    let event =
        json!({ "topic": "a", "data": "secret", "private": true, "id": "key-of-the-private" });
    let private = publish(server, &event);
    let (ms, sequence) = private.split_once('-').unwrap();
    let unknown = format!("{ms}-{}", sequence.parse::<u64>().unwrap() + 1_000_000);
    let event = json!({ "topic": "a", "data": "0", "id": "key-of-the-public" });
    let public = publish(server, &event);
    for number in 1..EVENTS {
        let data = number.to_string();
        publish(server, &json!({ "topic": "a", "data": data }));
    }
    Ids {
        private,
        unknown,
        public,
    }
}

/// What follows this id, as a stream and as a page, with its client's own text left out.
fn after(server: &Server, id: &str, lines: &str) -> [String; 2] {
    let last = (EVENTS - 1).to_string();
    let mut stream =
        server.subscribe_with("/events?topic=a", &format!("Last-Event-ID: {id}\n{lines}"));
    let mut streamed = Vec::new();
    loop {
        let mut message = stream.next().expect("the last event comes");
        // Drawn anew for each stream.
        message.retry = None;
        // Comes at a time of its own.
        if message.name == "position" {
            continue;
        }
        let is_last = message.data == last;
        streamed.push(message);
        if is_last {
            break;
        }
    }
    let page = format!(
        "GET /events?topic=a&last_event_id={id} HTTP/1.1\nAccept: application/json\n{lines}"
    );
    let response = server.request(&page, b"");
    assert_eq!(response.status, 200, "{response:?}");
    [format!("{streamed:?}"), response.text()]
        .map(|text| without_encrypted(&text.replace(id, "ID")))
}

/// The same without the digits of encrypted positions, which differ from stream to stream.
fn without_encrypted(text: &str) -> String {
    let mut parts = text.split("p-");
    let mut left = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.chars().take_while(char::is_ascii_hexdigit).count();
        left += "p-";
        left += if digits == 32 { &part[digits..] } else { part };
    }
    left
}

fn check(server: &Server, ids: &Ids) {
    for (guessed, unknown) in [
        (&*ids.private, &*ids.unknown),
        ("key-of-the-private", "key-of-none"),
    ] {
        let found = after(server, guessed, "");
        assert_eq!(found, after(server, unknown, ""), "{guessed}");
        assert!(found.iter().all(|body| body.contains("first")), "{found:?}");
    }
    let reader = bearer(&token(&json!({ "sse": { "subscribe": ["a"] } })));
    for (id, lines) in [
        (&*ids.private, &*reader),
        ("key-of-the-private", &reader),
        (&ids.public, ""),
        ("key-of-the-public", ""),
    ] {
        for body in after(server, id, lines) {
            assert!(
                !body.contains("first") && !body.contains("requested"),
                "{body}"
            );
        }
    }
}

fn settings<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let access = [
        "--subscribe-access",
        "private-events",
        "--token-key",
        SECRET,
    ];
    [&access, more].concat()
}

#[test]
fn a_guessed_id_of_a_private_event_in_memory_counts_as_unknown() {
    let server = Server::start(&settings(&[]));
    check(&server, &publish_some(&server));
}

#[test]
fn a_guessed_id_of_a_private_event_on_disk_counts_as_unknown() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let settings = settings(&["--data-dir", log.to_str().unwrap(), "--window-events", "20"]);
    let server = Server::start(&settings);
    let ids = publish_some(&server);
    check(&server, &ids);
    drop(server);
    check(&Server::start(&settings), &ids);
}

#[test]
fn a_guessed_id_of_a_private_event_in_redis_counts_as_unknown() {
    let redis = RedisServer::start();
    let url = format!("redis://127.0.0.1:{}", redis.port);
    let settings = settings(&["--redis-url", &url, "--window-events", "20"]);
    let server = Server::start(&settings);
    let ids = publish_some(&server);
    check(&server, &ids);
    check(&Server::start(&settings), &ids);
}
