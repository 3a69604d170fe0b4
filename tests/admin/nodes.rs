//! The nodes of one history.

use serde_json::Value;

use super::{KEY, get, subscribe};
use crate::support::{Server, redis::RedisServer, wait_until};

fn node(redis: &RedisServer) -> Server {
    let url = format!("redis://127.0.0.1:{}", redis.port);
    Server::start(&["--admin-key", KEY, "--redis-url", &url])
}

fn nodes(server: &Server) -> Vec<Value> {
    let status = get(server, "/admin/status?samples=0");
    let nodes = status["nodes"].as_array().unwrap();
    assert_eq!(nodes[0]["node"], status["node"], "this one is the first");
    nodes.clone()
}

fn names(server: &Server) -> Vec<String> {
    let mut names: Vec<_> = nodes(server)
        .iter()
        .map(|node| node["node"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn two_nodes_of_one_redis_list_each_other_until_one_ends() {
    let redis = RedisServer::start();
    let (one, other) = (node(&redis), node(&redis));
    let _stream = subscribe(&other, "/events?topic=a", "");
    wait_until("both list both", || {
        names(&one).len() == 2 && names(&one) == names(&other)
    });
    wait_until("the figures of the other node are those of now", || {
        nodes(&one)[1]["subscribers"] == 1
    });
    assert_eq!(get(&one, "/admin/status")["history"]["kind"], "redis");
    other.signal("-KILL");
    wait_until("the one that ended is forgotten", || names(&one).len() == 1);
}
