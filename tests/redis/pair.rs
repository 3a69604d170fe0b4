//! A primary and its replica, and nodes of which each has a way of its own to one of them.

use crate::{
    redis::nodes::{Published, node, publish},
    redis::proxy::Proxy,
    support::redis::RedisServer,
    support::{Server, wait_until},
};

/// See the module.
pub struct Pair {
    pub old: RedisServer,
    pub new: RedisServer,
}

impl Pair {
    pub fn start() -> Self {
        let old = RedisServer::start();
        let new = old.replica();
        Self { old, new }
    }

    /// A node behind a proxy of its own.
    pub fn node(&self) -> (Proxy, Server) {
        self.node_with(&[])
    }

    pub fn node_with(&self, args: &[&str]) -> (Proxy, Server) {
        let proxy = Proxy::start(self.old.address());
        let node = node(proxy.address, args);
        (proxy, node)
    }

    /// Whether no node is connected to the old primary any more.
    pub fn is_left(&self) -> bool {
        // Redis counts the connection of this query, too.
        self.old.info("connected_clients").as_deref() == Some("1")
    }

    /// Whether the new primary names itself as the log's server.
    pub fn is_taken_over(&self) -> bool {
        self.new.is_named_by_its_log()
    }
}

pub fn number(id: &str) -> sse_broadcaster::EventId {
    id.parse().expect("a position")
}

/// Publishes until one is acknowledged.
pub fn acknowledged(node: &Server, data: &str) -> String {
    let mut at = None;
    wait_until("a publish is acknowledged", || {
        let published = publish(node.address, data);
        at = match published {
            Published::At(id) => Some(id),
            _ => None,
        };
        at.is_some()
    });
    at.expect("an id")
}
