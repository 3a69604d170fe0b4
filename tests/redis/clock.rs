//! Clocks that differ and jump: events have the time of Redis, and reads by time and age go by it.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{
    redis::nodes::node,
    support::redis::RedisServer,
    support::shim::{ahead, with_clock},
    support::{Server, clock, command, wait_until},
};

fn by_clock(file: &Path) -> RedisServer {
    let file = file.to_owned();
    RedisServer::start_wrapped(move |command| with_clock(command, &file))
}

fn a_clock() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("clock");
    clock::set(&file, 0);
    (directory, file)
}

#[test]
fn an_age_is_judged_by_the_clock_of_redis_whatever_the_clock_of_the_node() {
    let redis = RedisServer::start();
    for seconds in [900, -900] {
        let mut command = command(&["--listen", "127.0.0.1:0", "--history-age", "12m"]);
        command.args(["--redis-url", &format!("redis://{}/0", redis.address())]);
        let node = Server::spawn(ahead(command, seconds));
        let topic = seconds.to_string();
        node.publish(&topic, "new");
        let data = clock::data(&node, "since=10m");
        assert_eq!(data.last().unwrap(), "new", "{seconds} s ahead");
        wait_until("what is older than no time is nothing", || {
            clock::data(&node, "since=0s").is_empty()
        });
        // It is in memory as well, and stays there.
        let mut stream = node.subscribe(&format!("/events?topic={topic}&last=1"));
        assert_eq!(stream.data(1), ["new"]);
    }
}

#[test]
fn a_clock_of_redis_that_was_a_year_ahead_spoils_no_read_by_time() {
    let (_directory, file) = a_clock();
    let redis = by_clock(&file);
    let args = ["--history-age", "1h", "--window-events", "16"];
    let first = node(redis.address(), &args);
    let events = clock::goes_back(&first, &file);
    let second = node(redis.address(), &args);
    assert_eq!(clock::read(&second, "since=earliest"), events);
    wait_until("all of it is older than a second", || {
        clock::data(&second, "since=1s").is_empty()
    });
}

#[test]
fn events_of_a_clock_of_redis_that_was_ahead_grow_too_old() {
    let (_directory, file) = a_clock();
    let redis = by_clock(&file);
    clock::set(&file, clock::YEAR);
    let node = node(redis.address(), &["--history-age", "2s"]);
    for n in 0..20 {
        node.publish("a", &n.to_string());
    }
    clock::set(&file, 0);
    node.publish("a", "right");
    wait_until("all is dropped", || node.metric("history_events") == 0);
    assert!(clock::data(&node, "since=earliest").is_empty());
}
