//! What nodes share beside the events: own ids and retained values, each written by one of them.

use bytes::Bytes;
use sse_broadcaster::{
    Event, EventId,
    history::{AppendError, Batch, History, Precondition, ReservationGuard, Retain, Retention},
};
use sse_broadcaster_redis::{Redis, RedisOptions};

use crate::{
    redis::nodes::{node, three},
    support::redis::RedisServer,
};

async fn history(redis: &RedisServer) -> Redis {
    let options = RedisOptions::new(format!("redis://{}", redis.address()))
        .prefix("shared")
        .retention(Retention::new().events(20))
        .window(Retention::new().events(20));
    let history = Redis::connect(options).expect("a URL");
    history.tried(crate::support::PATIENCE).await;
    wait_for_health(&history).await;
    history
}

async fn wait_for_health(history: &Redis) {
    while history.health().is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

fn writing(value: &str, written_at: Option<EventId>) -> Batch {
    let retained = Bytes::copy_from_slice(value.as_bytes());
    Batch::from(Event::builder(value).build().unwrap())
        .retain(Retain::new("key", Some(retained)))
        .precondition(Precondition::new("key", written_at))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_nodes_that_write_the_same_value_as_expected_one_wins() {
    let redis = RedisServer::start();
    let nodes = [history(&redis).await, history(&redis).await];
    let mut written_at = None;
    for round in 0..50 {
        let (a, b) = (format!("a{round}"), format!("b{round}"));
        let (a, b) = tokio::join!(
            nodes[0].append(writing(&a, written_at), ReservationGuard::default()),
            nodes[1].append(writing(&b, written_at), ReservationGuard::default()),
        );
        let (won, lost) = if a.is_ok() { (a, b) } else { (b, a) };
        let id = won.expect("one of them wins").ids[0];
        let conflict = AppendError::Conflict {
            key: "key".into(),
            written_at: Some(id),
        };
        assert_eq!(lost, Err(conflict));
        written_at = Some(id);
    }
    let retained = nodes[0].retained(&["key", "other"]).await.unwrap();
    let (value, at) = retained.values[0].clone().expect("it is there");
    assert!(value.ends_with(b"49") && Some(at) == written_at && retained.values[1].is_none());
    for node in &nodes {
        node.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_all_or_none_and_so_are_its_neighbours_in_one_call() {
    let redis = RedisServer::start();
    let history = history(&redis).await;
    let wrong = Some(EventId::new(1, 1));
    let appends = (0..60).map(|count| {
        let written_at = if count % 3 == 0 { wrong } else { None };
        let mut batch = writing("x", written_at);
        batch.preconditions[0].key = "never".into();
        batch.events.push(Event::builder("y").build().unwrap());
        history.append(batch, ReservationGuard::default())
    });
    let done = futures_util::future::join_all(appends).await;
    for (count, done) in done.into_iter().enumerate() {
        assert_eq!(done.is_err(), count % 3 == 0, "{done:?}");
    }
    assert_eq!(redis.ask("HGET {shared}:meta added"), "$2");
    assert_eq!(history.stats().committed.get(), 80);
    assert_eq!(
        redis.ask("XLEN {shared}:log"),
        ":20",
        "trimmed in the same step"
    );
    assert_eq!(
        redis.ask("XLEN {shared}:topic:default"),
        ":20",
        "and so is the index"
    );
}

#[test]
fn an_idempotency_key_is_stored_once_whichever_node_takes_it_and_forgotten_with_its_event() {
    let redis = RedisServer::start();
    let small = ["--history-events", "20", "--max-event-bytes", "1000"];
    let nodes = [node(redis.address(), &small), node(redis.address(), &small)];
    let body = r#"{"topic":"t","data":"x","id":"mine"}"#;
    let publish = |node: usize| crate::redis::nodes::publish_body(nodes[node].address, body);
    let first = publish(0);
    assert_eq!(publish(1), first);
    let mut resumed = nodes[1].subscribe_with("/events?topic=t", "Last-Event-ID: mine");
    assert_eq!(resumed.next().unwrap().name, "connected");
    for count in 0..20 {
        nodes[0].publish("t", &count.to_string());
    }
    assert_eq!(redis.ask("HLEN {sse-broadcaster}:own"), ":0");
    assert_ne!(publish(1), first, "it is new again");
    let mut moved = nodes[0].subscribe_with("/events?topic=t", "Last-Event-ID: mine");
    assert_eq!(moved.next().unwrap().name, "gap", "it stood for two events");
}

#[test]
fn every_field_of_an_event_comes_through_every_node() {
    let redis = RedisServer::start();
    let nodes = three(&redis);
    let mut live = nodes[1].subscribe("/events?topic=b&format=json");
    let event = r#"{"topics":["a","b"],"event":"update","data":"1\n2","id":"own/1","retry":7000}"#;
    let sent = crate::redis::nodes::publish_body(nodes[0].address, event);
    let crate::redis::nodes::Published::At(id) = sent else {
        panic!("{sent:?}")
    };
    let mut replayed = nodes[2].subscribe("/events?topic=a&since=earliest&format=json");
    for stream in [&mut live, &mut replayed] {
        let json: serde_json::Value = serde_json::from_str(&stream.data(1)[0]).unwrap();
        assert_eq!(json["id"], id.as_str());
        assert_eq!(json["topics"], serde_json::json!(["a", "b"]));
        assert_eq!(
            (&json["own_id"], &json["event"]),
            (&"own/1".into(), &"update".into())
        );
        assert_eq!(
            (&json["data"], &json["retry"]),
            (&"1\n2".into(), &7_000.into())
        );
    }
}
