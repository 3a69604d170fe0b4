//! Rules by topic: how much is kept of which topics.

use crate::{
    redis::nodes::node as redis_node,
    support::{Server, redis::RedisServer, wait_until},
};

pub const RULES: [&str; 10] = [
    "--topic-rule",
    "prices/{symbol}=events:2",
    "--topic-rule",
    "cursors/{id}=none",
    "--topic-rule",
    "sensors/{id}=age:1s,latest",
    "--topic-rule",
    "jobs/{id}=age:1s",
    "--topic-rule",
    "notes/{id}=bytes:3000",
];

/// The data of the events that history has of a topic.
pub fn kept(server: &Server, topic: &str) -> Vec<String> {
    let head = format!("GET /events?topic={topic}&since=0 HTTP/1.1\nAccept: application/json");
    let page = server.request(&head, b"").json();
    let events = page["events"].as_array().expect("events").iter();
    let data = events.map(|event| event["data"].as_str().expect("text").to_owned());
    data.collect()
}

/// Publishes ten events of each topic, in turn.
fn publish(server: &Server) {
    let note = "x".repeat(200);
    for number in 0..10 {
        for topic in [
            "prices/a",
            "prices/b",
            "cursors/a",
            "sensors/a",
            "orders",
            "jobs/a",
        ] {
            server.publish(topic, &number.to_string());
        }
        server.publish("notes/a", &format!("{number}{note}"));
    }
}

fn wait_for_rules(server: &Server) {
    for topic in ["prices/a", "prices/b"] {
        wait_until("two are left", || kept(server, topic) == ["8", "9"]);
    }
    for topic in ["cursors/a", "jobs/a"] {
        wait_until("nothing is left", || kept(server, topic).is_empty());
    }
    wait_until("the last is left", || kept(server, "sensors/a") == ["9"]);
    wait_until("fewer bytes are left", || {
        let notes = kept(server, "notes/a");
        (3..=4).contains(&notes.len()) && notes.last().is_some_and(|note| note.starts_with('9'))
    });
    assert_eq!(kept(server, "orders").len(), 10);
}

/// A new subscriber is sent the last event, old as it is.
fn check_latest(server: &Server) {
    let mut stream = server.subscribe("/events?topic=sensors/a");
    assert_eq!(stream.next().unwrap().data, "9");
}

#[test]
fn rules_keep_a_number_an_age_or_bytes_of_each_topic_or_nothing() {
    let server = Server::start(&RULES);
    let mut live = server.subscribe("/events?topic=cursors/a&topic=prices/a");
    live.until("connected");
    publish(&server);
    wait_for_rules(&server);
    check_latest(&server);
    // Who is there is sent everything.
    assert_eq!(live.data(20).len(), 20);
}

#[test]
fn a_client_that_lacks_what_a_rule_has_dropped_gets_a_gap() {
    let server = Server::start(&RULES);
    let first = server.publish("prices/a", "0");
    let second = server.publish("prices/a", "1");
    for number in 2..5 {
        server.publish("prices/a", &number.to_string());
    }
    wait_until("two are left", || kept(&server, "prices/a") == ["3", "4"]);
    let resume = |topic: &str, id: &str| {
        let path = format!("/events?topic={topic}");
        server.subscribe_with(&path, &format!("Last-Event-ID: {id}"))
    };
    for id in [&first, &second] {
        let mut stream = resume("prices/a", id);
        assert_eq!(stream.next().unwrap().name, "gap");
        assert_eq!(stream.data(2), ["3", "4"]);
    }
    assert_eq!(resume("orders", &first).next().unwrap().name, "connected");
}

#[test]
fn rules_hold_for_what_a_log_on_disk_has_from_before_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().to_str().unwrap();
    let log = ["--data-dir", directory, "--window-events", "40"];
    let mut before = Server::start(&log);
    publish(&before);
    before.signal("-TERM");
    before.wait();
    let server = Server::start(&[&log[..], &RULES].concat());
    wait_for_rules(&server);
}

pub fn rules_hold_on_every_node(nodes: &[Server]) {
    let mut live = nodes[1].subscribe("/events?topic=cursors/a");
    live.until("connected");
    publish(&nodes[0]);
    // Also of a topic of which nothing is kept, and without a gap.
    // On a slow machine the stream is quiet for so long that it is sent its position.
    let mut messages = std::iter::from_fn(|| live.next()).filter(|found| found.name != "position");
    for number in 0..10 {
        let message = messages.next().unwrap();
        let expected = number.to_string();
        assert_eq!((&message.name[..], message.data), ("", expected));
    }
    for node in nodes {
        wait_for_rules(node);
        check_latest(node);
    }
}

#[test]
fn rules_hold_on_every_node_that_shares_a_log_in_redis() {
    let redis = RedisServer::start();
    let node = || {
        redis_node(
            redis.address(),
            &[&RULES[..], &["--window-events", "40"]].concat(),
        )
    };
    rules_hold_on_every_node(&[node(), node()]);
}
