//! Redis that is unreachable, from the start or for a while: what is refused, what stays, and what is logged.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use sse_broadcaster::history::History as _;
use sse_broadcaster_redis::{Redis, RedisOptions};

use crate::{
    redis::nodes::{Published, history_of, node, publish},
    support::redis::{DURABLE, RedisServer},
    support::{PATIENCE, command, wait_until},
};

#[test]
fn a_node_starts_without_redis_says_so_and_goes_on_once_it_is_there() {
    let mut redis = RedisServer::prepare(&DURABLE);
    let mut node = node(redis.address(), &[]);
    assert!(node.log().contains("is unreachable"), "{}", node.log());
    assert_eq!(history_of(&node), "unavailable");
    assert_eq!(publish(node.address, "refused"), Published::Refused);
    let mut fresh = node.subscribe("/events?topic=t");
    // What is past cannot be had: its client is to come back later.
    let mut resumed = node.subscribe_with("/events?topic=t", "Last-Event-ID: 5-5");
    assert_eq!(resumed.drain_to_farewell(), []);
    assert!(resumed.retry >= Some(2_000) && resumed.last_id.is_empty());
    redis.run();
    wait_until("history is there", || history_of(&node) == "ok");
    node.wait_for_log("has recovered");
    // It is told of a position once there is one, and so of no gap that is none.
    let connected = fresh.next().unwrap();
    assert_eq!(connected.name, "connected");
    assert!(!connected.id.starts_with("0-"), "{connected:?}");
    let resuming = format!("Last-Event-ID: {}", connected.id);
    let mut resumed = node.subscribe_with("/events?topic=t", &resuming);
    assert_eq!(resumed.next().unwrap().name, "connected");
    node.publish("t", "first");
    for stream in [&mut fresh, &mut resumed] {
        assert_eq!(stream.next().unwrap().data, "first");
    }
    assert_eq!(
        node.log().matches("is unreachable").count(),
        1,
        "said once: {}",
        node.log()
    );
}

#[test]
fn a_publish_is_refused_in_time_and_what_is_past_is_sent_away_while_redis_stands_still() {
    let redis = RedisServer::start();
    let mut settings = vec!["--window-events", "16", "--max-event-bytes", "1000"];
    settings.extend(["--history-timeout", "500ms"]);
    let node = node(redis.address(), &settings);
    let ids: Vec<_> = (0..40)
        .map(|count| node.publish("t", &count.to_string()))
        .collect();
    let mut live = node.subscribe("/events?topic=t");
    live.until("connected");
    redis.signal("-STOP");
    for _ in 0..3 {
        let began = Instant::now();
        let published = publish(node.address, "x");
        assert!(!matches!(published, Published::At(_)));
        assert!(
            began.elapsed() < Duration::from_secs(4),
            "{:?}",
            began.elapsed()
        );
    }
    wait_until("history is away", || history_of(&node) == "unavailable");
    let mut held = node.subscribe_with("/events?topic=t", &format!("Last-Event-ID: {}", ids[37]));
    assert_eq!(held.data(2), ["38", "39"], "what the window holds is there");
    let mut past = node.subscribe_with("/events?topic=t", &format!("Last-Event-ID: {}", ids[2]));
    assert_eq!(past.drain_to_farewell(), []);
    assert!(past.retry >= Some(2_000) && past.last_id.is_empty());
    redis.signal("-CONT");
    wait_until("history is there", || history_of(&node) == "ok");
    let mut past = node.subscribe_with("/events?topic=t", &format!("Last-Event-ID: {}", ids[2]));
    assert_eq!(past.data(37)[36], "39");
    node.publish("t", "last");
    let mut seen = live.data(1);
    while seen.last().is_some_and(|data| data != "last") {
        seen.extend(live.data(1));
    }
    assert!(
        seen[..seen.len() - 1].iter().all(|data| data == "x"),
        "{seen:?}"
    );
}

#[test]
fn a_url_that_cannot_be_is_refused_without_showing_its_password() {
    for url in [
        "redis://user:secret@",
        "http://:secret@host",
        "rediss://:secret@host/#insecure",
    ] {
        let output = command(&["--listen", "127.0.0.1:0", "--redis-url", url]).output();
        let output = output.expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains("rediss://"),
            "{said}"
        );
        assert!(!said.contains("secret"), "{said}");
    }
}

#[test]
fn a_password_is_used_and_never_shown() {
    let mut settings = DURABLE.to_vec();
    settings.extend(["--requirepass", "secret"]);
    let redis = RedisServer::start_locked(&settings);
    let mut command = command(&["--listen", "127.0.0.1:0"]);
    command
        .arg("--redis-url")
        .arg(format!("redis://:secret@{}/3", redis.address()));
    let mut node = crate::support::Server::spawn(command);
    wait_until("it is connected", || history_of(&node) == "ok");
    node.publish("t", "x");
    assert!(node.log().contains("/3 (prefix"), "{}", node.log());
    let mut wrong = crate::redis::nodes::node(redis.address(), &[]);
    assert!(wrong.log().contains("is unreachable"), "{}", wrong.log());
    assert!(!format!("{}{}", node.log(), wrong.log()).contains("secret"));
}

#[tokio::test]
async fn what_is_unavailable_has_the_error_of_redis_as_its_source_which_never_shows_the_password() {
    let mut settings = DURABLE.to_vec();
    settings.extend(["--requirepass", "other"]);
    let locked = RedisServer::start_locked(&settings);
    let absent = RedisServer::prepare(&DURABLE);
    for redis in [locked, absent] {
        for protocol in ["resp2", "resp3"] {
            let url = format!(
                "redis://user:secret@{}?protocol={protocol}",
                redis.address()
            );
            let history = Redis::connect(RedisOptions::new(url)).expect("a URL");
            history.tried(PATIENCE).await;
            let error = history.health().expect_err("it cannot be used");
            let source = error.source().expect("the error of Redis").to_string();
            assert!(error.reason().ends_with(&source), "{error}: {source}");
            let mut errors =
                std::iter::successors(Some(&error as &dyn Error), |&error| error.source());
            let shows_password =
                |error: &dyn Error| format!("{error} {error:?}").contains("secret");
            assert!(!errors.any(shows_password), "{error:?}");
        }
    }
}
