//! What a node appends reaches its window by the reply to the append, and is not read from Redis again.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use crate::{
    redis::nodes::{node, publish},
    support::redis::RedisServer,
    support::{Server, wait_until},
};

fn bytes_sent_by(redis: &RedisServer) -> u64 {
    let sent = redis.info("total_net_output_bytes").expect("a figure");
    sent.parse().expect("a number")
}

#[test]
fn a_node_that_publishes_one_batch_after_the_other_does_not_read_them_from_redis() {
    const EVENTS: usize = 20;
    const BYTES: usize = 10_000;
    let redis = RedisServer::start();
    let node = node(redis.address(), &[]);
    let mut stream = node.subscribe("/events?topic=t");
    let event = serde_json::json!({ "topic": "t", "data": "x".repeat(BYTES) });
    let batch = serde_json::json!(vec![event; EVENTS]).to_string();
    wait_until("a batch is not read again", || {
        let before = bytes_sent_by(&redis);
        // The tail expects what comes right behind another one.
        for _ in 0..4 {
            let response = node.post("/events", "application/json", &batch);
            assert_eq!(response.status, 200);
        }
        assert_eq!(stream.data(4 * EVENTS).len(), 4 * EVENTS);
        bytes_sent_by(&redis) - before < (2 * EVENTS * BYTES) as u64
    });
}

/// Ends publishers when it is dropped, also where the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Has some publish all the time.
fn under_publishers(node: &Server, action: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _over = Over(&is_over);
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    publish(node.address, "own");
                }
            });
        }
        action();
    });
}

#[test]
fn a_log_that_is_deleted_under_publishers_is_a_gap() {
    let redis = RedisServer::start();
    let node = node(redis.address(), &[]);
    let mut stream = node.subscribe("/events?topic=t");
    under_publishers(&node, || {
        stream.data(50);
        assert_eq!(redis.ask("DEL {sse-broadcaster}:log"), ":1");
        stream.until("gap");
        stream.data(50);
    });
}

#[test]
fn what_somebody_else_adds_to_the_stream_under_publishers_is_not_passed_over() {
    const OTHERS: usize = 50;
    let redis = RedisServer::start();
    let node = node(redis.address(), &[]);
    let mut stream = node.subscribe("/events?topic=t");
    under_publishers(&node, || {
        stream.data(50);
        for other in 0..OTHERS {
            let added = redis.ask(&format!("XADD {{sse-broadcaster}}:log * t other-{other}"));
            assert!(added.starts_with('$'), "{added}");
        }
    });
    node.publish("t", "the end");
    let mut others = Vec::new();
    loop {
        let data = stream.data(1).remove(0);
        match data.as_str() {
            "own" => {}
            "the end" => break,
            _ => others.push(data),
        }
    }
    let expected: Vec<_> = (0..OTHERS).map(|other| format!("other-{other}")).collect();
    assert_eq!(others, expected);
}
