//! The key by which positions are encrypted is kept where history is.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::{publish, why_not_started};
use crate::support::{Server, Stream, redis::RedisServer, tokens::SECRET};

const PRIVATE: [&str; 4] = [
    "--subscribe-access",
    "private-events",
    "--token-key",
    SECRET,
];

/// The position that a client without grants is connected at behind a private event.
fn hidden_position(server: &Server) -> String {
    let id = publish(
        server,
        &json!({ "topic": "a", "data": "secret", "private": true }),
    );
    let mut stream = server.subscribe("/events?topic=*");
    let position = stream.next().unwrap().id;
    assert!(
        position.starts_with("p-") && position.len() == 34,
        "{position}"
    );
    assert_ne!(position, id);
    position
}

fn resume(server: &Server, position: &str) -> Stream {
    server.subscribe_with("/events?topic=*", &format!("Last-Event-ID: {position}"))
}

#[test]
fn an_encrypted_position_is_known_to_the_same_server() {
    let server = Server::start(&PRIVATE);
    let position = hidden_position(&server);
    publish(&server, &json!({ "topic": "a", "data": "public" }));
    let mut stream = resume(&server, &position);
    assert_eq!(stream.next().unwrap().name, "connected");
    assert_eq!(stream.event().unwrap().data, "public");
}

#[test]
fn an_encrypted_position_is_known_to_the_next_process_on_a_log_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let settings = [&PRIVATE[..], &["--data-dir", log.to_str().unwrap()]].concat();
    let server = Server::start(&settings);
    let position = hidden_position(&server);
    let mode = log.join("position-key").metadata().unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    server.signal("-KILL");
    drop(server);
    let server = Server::start(&settings);
    publish(&server, &json!({ "topic": "a", "data": "public" }));
    let mut stream = resume(&server, &position);
    assert_eq!(stream.next().unwrap().name, "connected");
    assert_eq!(stream.event().unwrap().data, "public");
    drop(server);
    std::fs::write(log.join("position-key"), "x").unwrap();
    let why = why_not_started(&settings);
    assert!(why.contains("position-key is damaged"), "{why}");
}

#[test]
fn an_encrypted_position_is_known_to_every_node_on_one_redis() {
    let redis = RedisServer::start();
    let url = format!("redis://127.0.0.1:{}", redis.port);
    let settings = [&PRIVATE[..], &["--redis-url", &url]].concat();
    // At the same time: one of their keys wins.
    let nodes: Vec<_> = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| Server::start(&settings)))
            .collect();
        starting
            .into_iter()
            .map(|node| node.join().unwrap())
            .collect()
    });
    for node in &nodes {
        let position = hidden_position(node);
        publish(node, &json!({ "topic": "a", "data": "public" }));
        for other in &nodes {
            let mut stream = resume(other, &position);
            assert_eq!(stream.next().unwrap().name, "connected");
            assert_eq!(stream.event().unwrap().data, "public");
        }
    }
}

#[test]
fn positions_of_times_do_not_show_when_a_private_event_was_published() {
    let server = Server::start(&PRIVATE);
    publish(&server, &json!({ "topic": "a", "data": "before" }));
    publish(
        &server,
        &json!({ "topic": "a", "data": "secret", "private": true }),
    );
    publish(&server, &json!({ "topic": "a", "data": "after" }));
    let mut positions = Vec::new();
    // The first begins before all events, the second before the last.
    for (start, due) in [("since=10m", "before"), ("last=1", "after")] {
        for _ in 0..3 {
            let mut stream = server.subscribe(&format!("/events?topic=a&{start}"));
            let position = stream.until("connected").id;
            assert_eq!(stream.event().unwrap().data, due);
            let mut resumed = resume(&server, &position);
            assert_eq!(resumed.event().unwrap().data, due, "after {position}");
            positions.push(position);
        }
    }
    let of_last = positions.split_off(3);
    assert!(of_last.iter().all(|position| position.starts_with("p-")));
    let distinct: std::collections::HashSet<_> = of_last.iter().collect();
    assert_eq!(distinct.len(), 3, "{of_last:?}");
}
