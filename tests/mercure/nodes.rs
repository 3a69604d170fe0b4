//! The hub on several nodes, which share their history.

use std::net::SocketAddr;

use serde_json::Value;

use super::{ARGUMENTS, HUB, publish, subscribe, subscriber};
use crate::support::{
    Server, Stream,
    redis::{RedisServer, ask_at},
    shared::{SharedHistory, tests_of},
};

/// What tests of the list of subscriptions ask what it is kept in.
pub trait HubHistory: SharedHistory {
    /// Whether it has nothing of any subscription any more.
    fn has_no_subscriptions(&self) -> bool;

    /// Whether all changes that were written are published.
    fn has_published_all(&self) -> bool;

    /// Another text after each subscription that has begun.
    fn last_begun(&self) -> String;
}

impl HubHistory for RedisServer {
    fn has_no_subscriptions(&self) -> bool {
        let keys = ["listed", "order", "of:*", "members:*", "pending"];
        let found = |key: &str| self.ask(&format!("KEYS {{sse-broadcaster}}:subscriptions:{key}"));
        keys.iter().all(|key| found(key) == "*0")
    }

    fn has_published_all(&self) -> bool {
        let keys = ["pending", "publisher"];
        let keys = keys.map(|key| format!("{{sse-broadcaster}}:subscriptions:{key}"));
        self.ask(&format!("EXISTS {}", keys.join(" "))) == ":0"
    }

    fn last_begun(&self) -> String {
        let number = "GET {sse-broadcaster}:subscriptions:number";
        ask_at(self.address(), number, 2).unwrap_or_default()
    }
}

pub fn node(history: &impl SharedHistory, arguments: &[&str]) -> Server {
    node_by(history, history.address(), arguments)
}

/// A node that reaches the history at this address.
pub fn node_by(history: &impl SharedHistory, address: SocketAddr, arguments: &[&str]) -> Server {
    history.node_at(address, &[&ARGUMENTS[..], arguments].concat())
}

fn reply(stream: &Stream) -> Option<&str> {
    stream.header("mercure-last-event-id")
}

pub fn events_ids_and_grants_are_the_same_on_every_node<H: SharedHistory>() {
    let history = H::start();
    let nodes = [
        node(&history, &[]),
        node(&history, &["--mercure-anonymous"]),
    ];
    let mut on_other = subscribe(&nodes[1], "topic=https%3A%2F%2Fexample.com%2F%7Bid%7D");
    let mut anonymous = nodes[1].subscribe(&format!("{HUB}?topic=*"));
    let topic = "topic=https%3A%2F%2Fexample.com%2F1";
    let first = publish(&nodes[0], &format!("{topic}&data=1"));
    let own = publish(
        &nodes[0],
        &format!("{topic}&data=2&id=own&type=t&retry=5&private=on"),
    );
    publish(&nodes[1], &format!("{topic}&data=3"));
    assert_eq!(own, "own");
    let events = [(); 3].map(|()| on_other.event().expect("an event"));
    let ids = events.each_ref().map(|event| event.id.as_str());
    assert_eq!(ids[..2], [&first[..], "own"]);
    assert_eq!((events[1].name.as_str(), events[1].retry), ("t", Some(5)));
    assert_eq!(anonymous.data(2), ["1", "3"]);
    for node in &nodes {
        for (id, rest) in [(&first[..], &["2", "3"][..]), ("own", &["3"])] {
            let mut stream = subscribe(node, &format!("{topic}&lastEventID={id}"));
            assert_eq!(reply(&stream), Some(id));
            assert_eq!(stream.data(rest.len()), rest);
        }
    }
    // A node that starts later finds the id in what it fills its window with.
    let third = node(&history, &[]);
    let mut stream = subscribe(&third, &format!("{topic}&lastEventID=own"));
    assert_eq!(reply(&stream), Some("own"));
    assert_eq!(stream.data(1), ["3"]);
    let lines = subscriber(&["other"]);
    let path = format!("{HUB}?{topic}&lastEventID=own");
    assert_eq!(
        reply(&third.subscribe_with(&path, &lines)),
        Some("earliest")
    );
}

pub fn an_id_that_the_window_has_lost_is_found_in_the_log<H: SharedHistory>() {
    let history = H::start();
    let node = node(&history, &["--window-events", "20"]);
    publish(&node, "topic=a&id=old&data=0");
    for number in 1..=60 {
        publish(&node, &format!("topic=a&data={number}"));
    }
    let mut stream = subscribe(&node, "topic=a&lastEventID=old");
    assert_eq!(reply(&stream), Some("old"));
    assert_eq!(stream.data(1), ["1"]);
    assert_eq!(
        reply(&subscribe(&node, "topic=a&lastEventID=none")),
        Some("earliest")
    );
}

pub fn subscriptions_are_announced_on_every_node<H: SharedHistory>() {
    let history = H::start();
    let nodes = [(); 2].map(|()| node(&history, &["--mercure-subscriptions"]));
    let mut watcher = subscribe(&nodes[1], "topic=*");
    assert!(watcher.event().unwrap().data.contains("\"topic\":\"*\""));
    let mut stream = Some(subscribe(&nodes[0], "match=a"));
    for active in [true, false] {
        let event = watcher.event().unwrap();
        let document: Value = serde_json::from_str(&event.data).unwrap();
        let expected = (&Value::from("a"), &Value::from(active));
        assert_eq!((&document["match"], &document["active"]), expected);
        stream = None;
    }
    assert!(stream.is_none());
}

mod redis {
    use super::*;
    use crate::mercure::nodes;

    tests_of! { nodes, RedisServer:
        events_ids_and_grants_are_the_same_on_every_node,
        an_id_that_the_window_has_lost_is_found_in_the_log,
        subscriptions_are_announced_on_every_node,
    }
}
