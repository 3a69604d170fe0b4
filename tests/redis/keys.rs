//! Single keys that were deleted or evicted while the log itself is there.

use serde_json::json;

use crate::{
    redis::nodes::{node, publish_body},
    support::redis::RedisServer,
    support::{Server, Stream, wait_until},
};

const SMALL: [&str; 4] = ["--window-events", "16", "--max-event-bytes", "1000"];

fn resume(node: &Server, topic: &str, id: &str) -> Stream {
    let resuming = format!("Last-Event-ID: {id}");
    node.subscribe_with(&format!("/events?topic={topic}"), &resuming)
}

fn delete(redis: &RedisServer, key: &str) {
    assert_eq!(redis.ask(&format!("DEL {{sse-broadcaster}}:{key}")), ":1");
}

/// Publishes so many of a topic, each with one of another topic behind it; returns the ids of the first.
fn publish_among_others(node: &Server, topic: &str, count: usize) -> Vec<String> {
    let publish = |number: usize| {
        let id = node.publish(topic, &number.to_string());
        node.publish("other", "x");
        id
    };
    (0..count).map(publish).collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[test]
fn a_topic_whose_index_is_lost_is_read_whole_before_and_after_it_is_published_to_again() {
    // The index itself, and the counts of all indexes.
    for key in ["topic:t", "topics"] {
        let redis = RedisServer::start();
        let node = node(redis.address(), &SMALL);
        let mut ids = publish_among_others(&node, "t", 100);
        delete(&redis, key);
        let mut resumed = resume(&node, "t", &ids[0]);
        assert_eq!(resumed.next().unwrap().name, "connected");
        assert_eq!(resumed.data(99), numbers(1..100), "{key}");
        let mut last = node.subscribe("/events?topic=t&last=70");
        assert_eq!(last.data(70), numbers(30..100), "{key}");
        // The index begins again, and is not whole.
        for number in 100..140 {
            ids.push(node.publish("t", &number.to_string()));
        }
        for from in [0, 50, 105] {
            let mut resumed = resume(&node, "t", &ids[from]);
            assert_eq!(resumed.next().unwrap().name, "connected");
            let expected = numbers(from + 1..140);
            assert_eq!(resumed.data(expected.len()), expected, "{key} from {from}");
        }
        let mut last = node.subscribe("/events?topic=t&last=120");
        assert_eq!(last.data(120), numbers(20..140), "{key}");
    }
}

#[test]
fn an_index_that_was_lost_is_in_use_again_once_retention_has_passed_the_loss() {
    let redis = RedisServer::start();
    let mut args = SMALL.to_vec();
    args.extend(["--history-events", "60"]);
    let node = node(redis.address(), &args);
    publish_among_others(&node, "t", 20);
    delete(&redis, "topic:t");
    let ids = publish_among_others(&node, "t", 60);
    assert_eq!(redis.ask("XLEN {sse-broadcaster}:topic:t"), ":30");
    let mut resumed = resume(&node, "t", &ids[31]);
    assert_eq!(resumed.data(28), numbers(32..60));
    delete(&redis, "topic:other");
    for _ in 0..60 {
        node.publish("t", "y");
    }
    assert_eq!(redis.ask("EXISTS {sse-broadcaster}:topic:other"), ":0");
    let counts = redis.ask("HGET {sse-broadcaster}:topics other");
    assert_eq!(counts, "$-1", "nothing is left of a topic without events");
}

#[test]
fn an_idempotency_key_is_stored_once_also_where_its_index_is_lost() {
    let redis = RedisServer::start();
    let node = node(redis.address(), &[]);
    let publish = |id: &str| {
        let body = json!({ "topic": "t", "data": id, "id": id }).to_string();
        publish_body(node.address, &body)
    };
    let first: Vec<_> = ["a", "b"].map(publish).into();
    delete(&redis, "own");
    // One of another batch, and without an id, in between.
    node.publish("t", "x");
    assert_eq!(["a", "b"].map(publish).to_vec(), first);
    assert_eq!(redis.ask("XLEN {sse-broadcaster}:log"), ":3");
    publish("c");
    assert_eq!(redis.ask("HLEN {sse-broadcaster}:own"), ":3");
}

#[test]
fn an_idempotency_key_names_no_place_where_it_is_not_known_any_more_whether_it_was_used_before() {
    let redis = RedisServer::start();
    let mut args = SMALL.to_vec();
    args.extend(["--history-events", "20"]);
    let node = node(redis.address(), &args);
    let publish = |id: &str| {
        let body = json!({ "topic": "t", "data": id, "id": id }).to_string();
        publish_body(node.address, &body)
    };
    publish("mine");
    for number in numbers(0..20) {
        node.publish("t", &number);
    }
    delete(&redis, "spent");
    publish("mine");
    assert_eq!(resume(&node, "t", "mine").next().unwrap().name, "gap");
}

#[test]
fn lost_documents_are_a_gap_and_a_deleted_signal_on_open_streams() {
    let redis = RedisServer::start();
    let nodes = [node(redis.address(), &[]), node(redis.address(), &[])];
    let head =
        |method: &str| format!("{method} /signals/n HTTP/1.1\nContent-Type: application/json");
    let put = |node: usize, body: &str| nodes[node].request(&head("PUT"), body.as_bytes()).status;
    assert_eq!(put(0, "1"), 201);
    let mut streams = [0, 1].map(|node| nodes[node].subscribe("/signals?name=n"));
    for stream in &mut streams {
        stream.until("connected");
    }
    delete(&redis, "retained");
    for stream in &mut streams {
        stream.until("gap");
        stream.until("deleted");
    }
    wait_until("it is not found", || {
        nodes[1].get("/signals/n").status == 404
    });
    // And where the first to notice is a writer.
    assert_eq!(put(1, "2"), 201);
    delete(&redis, "retained");
    assert_eq!(put(0, "3"), 201);
    for stream in &mut streams {
        stream.until("gap");
    }
    assert_eq!(nodes[1].get("/signals/n").json(), json!(3));
}

#[test]
fn a_log_that_is_lost_by_itself_is_a_gap() {
    for key in ["log", "meta"] {
        let redis = RedisServer::start();
        let node = node(redis.address(), &[]);
        let mut stream = node.subscribe("/events?topic=t");
        for number in numbers(0..5) {
            node.publish("t", &number);
        }
        assert_eq!(stream.data(5), numbers(0..5));
        delete(&redis, key);
        stream.until("gap");
        node.publish("t", "after");
        assert_eq!(stream.data(1), ["after"], "{key}");
    }
}
