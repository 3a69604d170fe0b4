//! Idempotency keys: a publish that is repeated is stored once.

use std::{sync::Barrier, thread};

use serde_json::json;

use crate::{
    publish::refused::{FORM, JSON, TEXT},
    support::{Response, Server},
};

fn id_of(response: &Response) -> String {
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["id"].as_str().expect("an id").to_owned()
}

#[test]
fn an_idempotency_key_published_again_gets_the_first_position_and_is_stored_once() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events");
    stream.until("connected");
    let first = id_of(&server.post("/events?id=order-7", TEXT, "first"));
    server.publish("default", "between");
    assert_eq!(
        id_of(&server.post("/events?id=order-7", TEXT, "again")),
        first
    );
    assert_eq!(
        id_of(&server.post("/events", JSON, r#"{"id":"order-7","data":1}"#)),
        first
    );
    assert_eq!(
        id_of(&server.post("/events", FORM, "id=order-7&data=x&topic=other")),
        first
    );
    assert_eq!(
        server.get("/events/x?id=order-7").header("event-id"),
        Some(first.as_str())
    );
    let last = server.publish("default", "last");
    let (again, new) = (
        json!({ "id": "order-7", "data": 2 }),
        json!({ "id": "new", "data": "new" }),
    );
    let response = server.post("/events", JSON, &json!([again, new, new]).to_string());
    let ids: Vec<String> = serde_json::from_value(response.json()["ids"].clone()).expect("ids");
    assert_eq!((&ids[0], &ids[1]), (&first, &ids[2]));
    assert!(ids[1] != first && ids[1] != last);
    server.publish("default", "sentinel");
    assert_eq!(
        stream.data(5),
        ["first", "between", "last", "new", "sentinel"]
    );
}

#[test]
fn an_idempotency_key_published_by_many_at_once_is_stored_once() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events?format=json");
    stream.until("connected");
    for round in 0..50 {
        let together = Barrier::new(4);
        let ids: Vec<String> = thread::scope(|scope| {
            let publish = |n: usize| {
                let (server, together) = (&server, &together);
                move || {
                    let body = json!({ "id": format!("round-{round}"), "data": n }).to_string();
                    together.wait();
                    id_of(&server.post("/events", JSON, &body))
                }
            };
            let publishers: Vec<_> = (0..4).map(|n| scope.spawn(publish(n))).collect();
            publishers
                .into_iter()
                .map(|publisher| publisher.join().unwrap())
                .collect()
        });
        assert_eq!(ids, vec![ids[0].clone(); 4]);
        server.publish("default", "sentinel");
        let stored = stream.event().unwrap();
        assert_eq!(stored.id, ids[0]);
        assert!(stream.event().unwrap().data.contains("sentinel"));
    }
}

#[test]
fn a_subscriber_that_sends_an_idempotency_key_as_last_event_id_resumes_after_it() {
    let server = Server::start(&[]);
    server.publish("default", "before");
    let at = id_of(&server.post("/events?id=order%207/%C3%BC", TEXT, "marked"));
    server.publish("default", "after");
    for (path, header) in [
        ("/events", "Last-Event-ID: order 7/ü"),
        ("/events?last_event_id=order%207/%C3%BC", ""),
    ] {
        let mut stream = server.subscribe_with(path, header);
        let first = stream.next().unwrap();
        assert_eq!(
            (first.name.as_str(), &first.id),
            ("connected", &at),
            "{path}"
        );
        assert_eq!(stream.event().unwrap().data, "after");
    }
}

#[test]
fn an_idempotency_key_whose_event_was_trimmed_can_be_used_again_but_not_resumed_from() {
    let server = Server::start(&["--history-events", "16"]);
    let first = id_of(&server.post("/events?id=mine", TEXT, "first"));
    for n in 0..20 {
        server.publish("default", &n.to_string());
    }
    let mut lost = server.subscribe_with("/events", "Last-Event-ID: mine");
    assert_eq!(lost.next().unwrap().name, "gap");

    let mut stream = server.subscribe("/events");
    stream.until("connected");
    let second = id_of(&server.post("/events?id=mine", TEXT, "second"));
    assert_ne!(first, second);
    assert_eq!(stream.event().unwrap().data, "second");
    assert_eq!(
        id_of(&server.post("/events?id=mine", TEXT, "third")),
        second
    );

    // It has stood for two events, so it does not say after which one to go on.
    let mut ambiguous = server.subscribe_with("/events", "Last-Event-ID: mine");
    let gap = ambiguous.next().unwrap();
    assert_eq!(gap.name, "gap");
    assert!(gap.data.contains(r#""requested":"mine""#), "{gap:?}");
}
