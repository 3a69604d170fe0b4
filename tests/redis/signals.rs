//! Signals that nodes on one Redis share.

use serde_json::{Value, json};

use crate::{
    redis::nodes::three,
    support::redis::RedisServer,
    support::{Response, Server, Stream, wait_until},
};

fn ask(node: &Server, method: &str, kind: &str, body: &str) -> Response {
    let head = format!("{method} /signals/n HTTP/1.1\nContent-Type: application/{kind}");
    node.request(&head, body.as_bytes())
}

/// What the next event says that the document is changed by.
fn change(stream: &mut Stream) -> Value {
    let update: Value = serde_json::from_str(&stream.event().unwrap().data).unwrap();
    update["patch"][0]["value"].clone()
}

#[test]
fn writers_on_several_nodes_lose_no_update_and_all_readers_see_one_order() {
    let redis = RedisServer::start();
    let nodes = three(&redis);
    assert_eq!(ask(&nodes[0], "PUT", "json", r#"{"list":[]}"#).status, 201);
    let mut streams: Vec<_> = nodes
        .iter()
        .map(|node| node.subscribe("/signals?name=n"))
        .collect();
    for stream in &mut streams {
        stream.until("connected");
    }
    std::thread::scope(|scope| {
        for (writer, node) in nodes.iter().enumerate() {
            scope.spawn(move || {
                for n in 0..20 {
                    let value = json!([writer, n]);
                    let patch = json!([{"op": "add", "path": "/list/-", "value": value}]);
                    let written = ask(node, "PATCH", "json-patch+json", &patch.to_string());
                    assert_eq!(written.status, 200, "{written:?}");
                }
            });
        }
    });
    let there = nodes[2].get("/signals/n").json();
    let list = there["list"].as_array().unwrap();
    for writer in 0..3 {
        let of_one: Vec<_> = list.iter().filter(|entry| entry[0] == writer).collect();
        let expected: Vec<_> = (0..20).map(|n| json!([writer, n])).collect();
        assert_eq!(of_one, expected.iter().collect::<Vec<_>>());
    }
    // Each stream has told of the empty list in its state, so it begins with the first entry.
    for stream in &mut streams {
        for (n, entry) in list.iter().enumerate() {
            let value = change(stream);
            // Where the whole document is shorter, it comes instead.
            assert_eq!(value.get("list").map_or(&value, |list| &list[n]), entry);
        }
    }
    let mut late = nodes[0].subscribe("/signals?name=n");
    assert_eq!(change(&mut late), there);
}

#[test]
fn a_document_is_there_again_when_every_node_was_gone() {
    let redis = RedisServer::start();
    let written = {
        let nodes = three(&redis);
        ask(&nodes[1], "PUT", "json", r#"{"value":7}"#)
    };
    let nodes = three(&redis);
    let read = nodes[2].get("/signals/n");
    assert_eq!(read.json(), json!({"value": 7}));
    assert_eq!(read.header("etag"), written.header("etag"));
    let mut stream = nodes[0].subscribe("/signals?name=n");
    assert_eq!(change(&mut stream), json!({"value": 7}));
}

#[test]
fn behind_a_redis_that_was_emptied_signals_are_written_and_read_on_every_node() {
    let redis = RedisServer::start();
    let nodes = three(&redis);
    assert_eq!(ask(&nodes[0], "PUT", "json", "1").status, 201);
    let mut stream = nodes[1].subscribe("/signals?name=n");
    assert_eq!(change(&mut stream), json!(1));
    redis.ask("FLUSHALL");
    // Nobody publishes anything else, which would tell a node of the new log.
    stream.until("gap");
    stream.until("deleted");
    for node in &nodes {
        wait_until("it knows of the new log", || {
            node.get("/signals/n").status == 404
        });
    }
    assert_eq!(ask(&nodes[2], "PUT", "json", "2").status, 201);
    assert_eq!(change(&mut stream), json!(2));
}
