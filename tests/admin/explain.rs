//! `GET /admin/explain`: why a connection was or was not sent an event.

use std::io::Write as _;

use serde_json::{Value, json};

use super::{KEY, connections, get, only, refused, start, subscribe};
use crate::support::{
    Server, Stream,
    tokens::{SECRET, bearer, token},
    wait_until,
};

const PRIVATE: [&str; 4] = [
    "--subscribe-access",
    "private-events",
    "--token-key",
    SECRET,
];

fn explain(server: &Server, connection: &str, event: &str) -> Value {
    get(
        server,
        &format!("/admin/explain?connection={connection}&event={event}"),
    )
}

/// The outcome, and that the sentence contains these words.
fn expect(explanation: &Value, outcome: &str, words: &[&str]) {
    assert_eq!(explanation["outcome"], outcome, "{explanation}");
    let detail = explanation["detail"].as_str().unwrap();
    for word in words {
        assert!(detail.contains(word), "{word}: {explanation}");
    }
}

#[test]
fn an_event_that_was_sent_live_has_the_time_and_one_from_history_has_none() {
    for args in [&[][..], &["--no-direct"]] {
        let server = start(args);
        let before = server.publish("a", "before");
        let mut live = subscribe(&server, "/events?topic=a", "");
        let event = server.publish("a", "x");
        live.event().unwrap();
        let connection = only(&server, "");
        let sent = explain(&server, &connection, &event);
        expect(&sent, "sent", &["handed to the connection at 2"]);
        assert!(sent["at"].is_string(), "{sent}");
        let of_event = &sent["event"];
        assert_eq!(of_event["id"], json!(event));
        assert_eq!(
            (&of_event["topics"], &of_event["private"]),
            (&json!(["a"]), &json!(false))
        );
        assert_eq!(sent["connection"]["id"], json!(connection));
        expect(
            &explain(&server, &connection, &before),
            "before_start",
            &["begins after"],
        );
        drop(live);
        wait_until("it is gone", || connections(&server, "").is_empty());

        let mut replayed = subscribe(&server, "/events?topic=a&since=earliest", "");
        assert_eq!(replayed.data(2), ["before", "x"]);
        let connection = only(&server, "");
        let from_history = || {
            for id in [&before, &event] {
                let sent = explain(&server, &connection, id);
                expect(&sent, "sent", &["came from history"]);
                assert!(sent["at"].is_null(), "{sent}");
            }
        };
        from_history();
        // The first walk of a shard that had no stream is about all that came meanwhile.
        server.publish("a", "later");
        assert_eq!(replayed.data(1), ["later"]);
        from_history();
    }
}

#[test]
fn an_event_before_the_id_that_a_client_resumes_from_is_before_its_start() {
    let server = start(&[]);
    let ids = server.publish_all("a", ["1", "2", "3"].map(str::to_owned));
    let lines = format!("Last-Event-ID: {}", ids[1]);
    let mut stream = subscribe(&server, "/events?topic=a", &lines);
    assert_eq!(stream.data(1), ["3"]);
    let connection = only(&server, "");
    expect(
        &explain(&server, &connection, &ids[0]),
        "before_start",
        &[&ids[1]],
    );
    expect(&explain(&server, &connection, &ids[1]), "before_start", &[]);
    expect(&explain(&server, &connection, &ids[2]), "sent", &[]);
}

#[test]
fn an_event_of_other_topics_and_one_without_a_grant_are_told_apart() {
    let server = start(&PRIVATE);
    let grants = json!({ "sub": "anna", "sse": { "subscribe": ["users/17"] } });
    let _stream = subscribe(
        &server,
        "/events?topic=users/17&topic=users/18",
        &bearer(&token(&grants)),
    );
    let connection = only(&server, "");
    let publish = |topic: &str, private: bool| {
        let head = format!(
            "POST /events HTTP/1.1\nContent-Type: application/json\n{}",
            bearer(KEY)
        );
        let event = json!({ "topic": topic, "data": "x", "private": private });
        let response = server.request(&head, event.to_string().as_bytes());
        response.json()["id"].as_str().unwrap().to_owned()
    };
    let granted = publish("users/17", true);
    let (private, public) = (publish("users/18", true), publish("users/18", false));
    let other = publish("users/19", false);
    wait_until("the last is walked", || {
        explain(&server, &connection, &public)["outcome"] == "sent"
    });
    expect(&explain(&server, &connection, &granted), "sent", &[]);
    let refused = explain(&server, &connection, &private);
    expect(&refused, "no_grant", &["private", "anna", "users/18"]);
    assert_eq!(refused["event"]["private"], true);
    let unmatched = explain(&server, &connection, &other);
    expect(&unmatched, "no_match", &["users/19", "users/17, users/18"]);
}

/// A client that reads nothing at first.
fn stuck(server: &Server) -> Stream {
    let mut socket = server.connect_narrow(4 << 10);
    socket
        .write_all(b"GET /events?topic=a HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    wait_until("it is listed", || connections(server, "").len() == 1);
    Stream::open(socket)
}

const LITTLE: [&str; 6] = [
    "--socket-buffer-bytes",
    "4096",
    "--history-events",
    "20",
    "--stall-timeout",
    "10m",
];

#[test]
fn an_event_that_is_due_to_a_slow_client_is_pending_and_one_that_history_lost_is_a_gap() {
    for args in [&[][..], &["--no-direct"]] {
        let server = start(&[&LITTLE[..], args].concat());
        let mut stream = stuck(&server);
        let connection = only(&server, "");
        let data = "x".repeat(200 << 10);
        let mut ids = Vec::new();
        while server.metric("subscribers_behind") == 0 {
            ids.push(server.publish("a", &data));
        }
        let due = server.publish("a", &data);
        let pending = explain(&server, &connection, &due);
        expect(&pending, "pending", &["events behind", "slowly"]);
        assert!(pending["at"].is_null(), "{pending}");
        // History loses what the client has not been sent.
        for _ in 0..40 {
            ids.push(server.publish("a", &data));
        }
        let mut received = Vec::new();
        let gap = loop {
            let message = stream.next().expect("the stream goes on");
            match message.name.as_str() {
                "gap" => break message,
                _ => received.push(message.id),
            }
        };
        let lost = ids
            .iter()
            .find(|id| !received.contains(id))
            .expect("a lost event");
        let explanation = explain(&server, &connection, lost);
        expect(&explanation, "gap", &["History lost", &gap.id]);
        assert!(explanation["event"].is_null(), "{explanation}");
        // What comes after the gap is sent.
        assert!(stream.event().is_some());
    }
}

#[test]
fn an_event_that_was_lost_before_a_client_came_back_is_a_gap() {
    for args in [&[][..], &["--no-direct"]] {
        let server = start(&[&["--history-events", "20"], args].concat());
        let ids: Vec<_> = (0..60).map(|_| server.publish("a", "x")).collect();
        let last_had = format!("Last-Event-ID: {}", ids[9]);
        let mut stream = server.subscribe_with("/events?topic=a", &last_had);
        stream.until("gap");
        assert!(stream.event().is_some());
        let connection = only(&server, "");
        expect(
            &explain(&server, &connection, &ids[10]),
            "gap",
            &["History lost", &ids[9]],
        );
        expect(
            &explain(&server, &connection, &ids[9]),
            "unknown_event",
            &["was dropped"],
        );
    }
}

#[test]
fn an_event_is_also_found_by_its_id_on_the_hub() {
    let server = start(&[
        "--mercure",
        "--mercure-anonymous",
        "--mercure-subscriber-key",
        "the-key-of-subscribers-of-a-hub-0",
    ]);
    let mut stream = server.subscribe("/.well-known/mercure?topic=a");
    let id = server.publish("a", "x");
    let urn = stream.event().expect("an event").id;
    assert!(urn.starts_with("urn:uuid:"), "{urn}");
    let explanation = explain(&server, &only(&server, ""), &urn);
    assert_eq!(explanation["event"]["id"], id, "{explanation}");
}

#[test]
fn an_id_that_no_event_has_and_a_connection_that_is_not_open_are_unknown() {
    let server = start(&[]);
    let _stream = subscribe(&server, "/events?topic=a", "");
    let connection = only(&server, "");
    let event = server.publish("a", "x");
    let unknown = explain(&server, &connection, "5-5");
    expect(&unknown, "unknown_event", &["dropped, or never there"]);
    assert!(unknown["event"].is_null(), "{unknown}");
    let later = explain(&server, &connection, "99999999999999-1");
    expect(
        &later,
        "unknown_event",
        &["No event has this id yet", &event],
    );
    for (query, code, status) in [
        (
            format!("connection=0-0-0&event={event}"),
            "unknown_connection",
            404,
        ),
        (
            format!("connection=x&event={event}"),
            "unknown_connection",
            404,
        ),
        (format!("event={event}"), "connection_missing", 400),
        (format!("connection={connection}"), "event_missing", 400),
        (
            format!("connection={connection}&event=x"),
            "invalid_position",
            400,
        ),
    ] {
        let path = format!("/admin/explain?{query}");
        assert_eq!(
            refused(&server, &path),
            (status, code.to_owned()),
            "{query}"
        );
    }
}

#[test]
fn the_encrypted_id_that_a_client_is_sent_is_explained_as_the_event_that_it_hides() {
    let server = start(&PRIVATE);
    let head = format!(
        "POST /events HTTP/1.1\nContent-Type: application/json\n{}",
        bearer(KEY)
    );
    let secret = json!({ "topic": "a", "data": "x", "private": true });
    let id = server.request(&head, secret.to_string().as_bytes()).json()["id"].clone();
    let mut visitor = server.subscribe("/events?topic=a");
    let connected = visitor.until("connected");
    assert!(connected.id.starts_with("p-"), "{connected:?}");
    let explanation = explain(&server, &only(&server, ""), &connected.id);
    assert_eq!(explanation["event"]["id"], id, "{explanation}");
    expect(&explanation, "no_grant", &["its client has no grant"]);
}
