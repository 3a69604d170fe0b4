//! The memory that history takes under `--history-bytes`, for events of many kinds.

use std::io::Read;

use serde_json::{Value, json};

use crate::support::{
    Server,
    redis::{RedisServer, SNAPSHOTS},
    wait_until,
};

const BYTES: usize = 16 << 20;
/// What the process takes for requests and streams meanwhile.
const BESIDE_BYTES: usize = 8 << 20;
/// Of NDJSON in one request.
const REQUEST_BYTES: usize = 1 << 20;

fn start() -> Server {
    Server::start(&[
        "--history-bytes",
        &BYTES.to_string(),
        "--history-events",
        "10000000",
        "--max-event-bytes",
        "65536",
        "--replay-bytes-per-second",
        "0",
        "--workers",
        "1",
    ])
}

/// Publishes until history is full, and then some.
fn fill(server: &Server, event: impl Fn(usize) -> Value) {
    let (mut number, mut held) = (0, 0);
    for _ in 0..1_000 {
        let mut lines = String::new();
        while lines.len() < REQUEST_BYTES {
            lines += &event(number).to_string();
            lines.push('\n');
            number += 1;
        }
        let response = server.post("/events", "application/x-ndjson", &lines);
        assert_eq!(response.status, 200, "{response:?}");
        let before = std::mem::replace(&mut held, server.metric("history_events"));
        if held <= before {
            return;
        }
    }
    panic!("history was never full");
}

/// Reads all of it as a stream in this format.
fn read(server: &Server, format: &str) {
    let path = format!("/events?topic=*&since=earliest&until=head&format={format}");
    let stream = server.subscribe(&path);
    let mut socket = stream.socket();
    let head = stream.header("event-head").unwrap().to_owned();
    let (mut part, mut end) = (vec![0; 1 << 17], Vec::new());
    let wanted = format!("id: {head}\n");
    loop {
        let read = socket.read(&mut part).unwrap();
        end.extend_from_slice(&part[..read]);
        if end
            .windows(wanted.len())
            .any(|part| part == wanted.as_bytes())
        {
            return;
        }
        end.drain(..end.len().saturating_sub(wanted.len()));
    }
}

/// That the process takes at most so many bytes more than before. What streams took is given back once the server has
/// seen that they ended, which takes a while on a busy machine.
fn assert_takes(server: &Server, before: usize, what: &str, most: usize) {
    let taken = || server.resident().saturating_sub(before);
    println!("{what}: {} KiB at first", taken() >> 10);
    wait_until(&format!("{what}: at most {most} bytes are taken"), || {
        taken() <= most
    });
}

fn assert_bounded(what: &str, event: impl Fn(usize) -> Value) {
    let server = start();
    let before = server.resident();
    fill(&server, event);
    for format in ["sse", "json"] {
        read(&server, format);
    }
    assert_takes(&server, before, what, BYTES / 4 * 5 + BESIDE_BYTES);
    assert!(server.metric("history_bytes") <= BYTES as u64);
}

#[test]
fn history_takes_no_more_memory_than_its_setting_with_many_tiny_topics() {
    let topics: Vec<_> = ('!'..='z')
        .filter(|c| !"$*".contains(*c))
        .take(88)
        .collect();
    assert_bounded("88 topics", |_| {
        let topics: Vec<_> = topics.iter().map(char::to_string).collect();
        json!({ "topics": topics, "data": "x" })
    });
}

#[test]
fn history_takes_no_more_memory_than_its_setting_with_topics_of_one_event_each() {
    assert_bounded(
        "new topics",
        |n| json!({ "topic": format!("topic {n}"), "data": "x" }),
    );
}

#[test]
fn history_takes_no_more_memory_than_its_setting_with_tiny_events() {
    assert_bounded("tiny", |_| json!({ "topic": "a", "data": "x" }));
}

#[test]
fn history_takes_no_more_memory_than_its_setting_with_names_and_idempotency_keys() {
    assert_bounded(
        "own ids",
        |n| json!({ "topic": "a", "data": "x", "event": "e".repeat(90), "id": format!("own-{n:090}") }),
    );
}

#[test]
fn history_takes_no_more_memory_than_its_setting_with_data_that_grows_when_encoded() {
    assert_bounded(
        "line ends",
        |_| json!({ "topic": "a", "data": "\n".repeat(4_000) }),
    );
    assert_bounded(
        "escapes",
        |_| json!({ "topic": "a", "data": "\u{1}".repeat(4_000) }),
    );
}

#[test]
fn history_takes_no_more_memory_than_its_setting_with_plain_text() {
    assert_bounded(
        "text",
        |_| json!({ "topic": "a", "data": "x".repeat(1_000) }),
    );
}

const WINDOW_BYTES: usize = 16 << 20;
const CACHE_BYTES: usize = 8 << 20;
/// What a log on disk takes for what is being written.
const WRITING_BYTES: usize = 40 << 20;

fn start_log(args: &[&str], window_bytes: usize) -> Server {
    let window_bytes = window_bytes.to_string();
    let common = [
        "--window-bytes",
        &window_bytes,
        "--window-events",
        "10000000",
        "--max-event-bytes",
        "65536",
        "--replay-bytes-per-second",
        "0",
        "--workers",
        "1",
    ];
    Server::start(&[args, &common[..]].concat())
}

/// Checks what a server takes for a window, when it was given far more events than that holds, and they were read.
fn assert_window_takes(
    server: &Server,
    what: &str,
    events: usize,
    most: usize,
    event: impl Fn(usize) -> Value,
) {
    let before = server.resident();
    let (mut number, mut lines) = (0, String::new());
    while number < events {
        while lines.len() < REQUEST_BYTES && number < events {
            lines += &event(number).to_string();
            lines.push('\n');
            number += 1;
        }
        // A history that a busy machine holds up may be given the same again.
        wait_until("history takes them", || {
            server
                .post("/events", "application/x-ndjson", &lines)
                .status
                == 200
        });
        lines.clear();
    }
    for format in ["sse", "json"] {
        read(server, format);
    }
    assert_takes(server, before, what, most);
}

fn assert_window_is_bounded(what: &str, events: usize, event: impl Fn(usize) -> Value) {
    let directory = tempfile::tempdir().unwrap();
    let cache_bytes = CACHE_BYTES.to_string();
    let args = [
        "--data-dir",
        directory.path().to_str().unwrap(),
        "--sync",
        "never",
        "--cache-bytes",
        &cache_bytes,
    ];
    let most = (WINDOW_BYTES + CACHE_BYTES) / 4 * 5 + WRITING_BYTES;
    let server = start_log(&args, WINDOW_BYTES);
    assert_window_takes(&server, what, events, most, event);
}

#[test]
fn the_window_of_a_log_on_disk_takes_no_more_memory_than_its_setting() {
    assert_window_is_bounded(
        "tiny, in a window",
        80_000,
        |n| json!({ "topic": format!("{}", n % 7), "data": "x" }),
    );
    assert_window_is_bounded(
        "text, in a window",
        20_000,
        |_| json!({ "topic": "a", "data": "x".repeat(2_000) }),
    );
    let topics: Vec<_> = (0..88).map(|n| format!("t{n}")).collect();
    assert_window_is_bounded(
        "88 topics, in a window",
        6_000,
        |_| json!({ "topics": topics, "data": "x" }),
    );
}

const REDIS_WINDOW_BYTES: usize = 24 << 20;
/// What a node takes for what is under way between it and Redis, a replay among it.
const UNDER_WAY_BYTES: usize = 8 << 20;

/// Of a node on Redis.
fn assert_redis_window_is_bounded(what: &str, events: usize, event: impl Fn(usize) -> Value) {
    let redis = RedisServer::start_with(&SNAPSHOTS);
    let url = format!("redis://{}", redis.address());
    let server = start_log(&["--redis-url", &url], REDIS_WINDOW_BYTES);
    let most = REDIS_WINDOW_BYTES / 4 * 5 + UNDER_WAY_BYTES;
    assert_window_takes(&server, what, events, most, event);
}

#[test]
fn the_window_of_a_log_in_redis_takes_no_more_memory_than_its_setting() {
    assert_redis_window_is_bounded(
        "tiny, over Redis",
        60_000,
        |n| json!({ "topic": format!("{}", n % 7), "data": "x" }),
    );
    assert_redis_window_is_bounded(
        "text, over Redis",
        8_000,
        |_| json!({ "topic": "a", "data": "x".repeat(2_000) }),
    );
    let topics: Vec<_> = (0..88).map(|n| format!("t{n}")).collect();
    assert_redis_window_is_bounded(
        "88 topics, over Redis",
        3_000,
        |_| json!({ "topics": topics, "data": "x" }),
    );
}
