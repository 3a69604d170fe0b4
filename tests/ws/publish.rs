//! Publishing over a WebSocket: the JSON of `POST /events`, and its responses. `tests/access` has the publish policy.

use serde_json::{Value, json};

use crate::{support::Server, support::socket::Socket};

/// A socket on which nothing comes but answers.
fn publisher(server: &Server) -> Socket {
    let mut socket = Socket::open(server, "/ws?topic=nothing");
    socket.until("connected");
    socket
}

#[test]
fn a_published_event_gets_its_id_and_is_sent_to_all_subscribers_its_publisher_too() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events?topic=a");
    stream.until("connected");
    let mut socket = Socket::open(&server, "/ws?topic=a");
    socket.until("connected");
    socket.say(r#"{"topic":"a","event":"e","data":{"n": 1.50},"id":"mine","ref":"r"}"#);
    let (first, second) = (socket.next(), socket.next());
    let (response, event) = if first["type"] == "published" {
        (first, second)
    } else {
        (second, first)
    };
    assert_eq!(
        response,
        json!({ "type": "published", "ref": "r", "ids": [event["id"]] })
    );
    assert_eq!(
        (&event["event"], &event["data"]),
        (&json!("e"), &json!(r#"{"n":1.50}"#))
    );
    assert_eq!(event["own_id"], "mine");
    assert_eq!(json!(stream.event().unwrap().id), event["id"]);
    // One that is repeated with the same own id is stored once.
    let again = socket.publish(&json!({ "topic": "a", "data": "", "id": "mine" }));
    assert_eq!(again, json!({ "type": "published", "ids": [event["id"]] }));
}

#[test]
fn an_array_is_published_whole_or_not_at_all() {
    let server = Server::start(&[]);
    let mut reader = Socket::open(&server, "/ws?topic=a");
    reader.until("connected");
    let mut socket = publisher(&server);
    let event = |data: &str| json!({ "topic": "a", "data": data });
    let bad = json!([event("no"), { "topic": "a" }]);
    assert_eq!(socket.publish(&bad)["code"], "no_data");
    let response = socket.publish(&json!([event("1"), event("2")]));
    let answer_with = socket.publish(&json!({ "events": [event("3")], "ref": "r" }));
    assert_eq!(answer_with["ref"], "r");
    let told = [&response["ids"], &answer_with["ids"]].map(|ids| ids.as_array().unwrap().clone());
    let events: Vec<_> = (0..3).map(|_| reader.event()).collect();
    let ids: Vec<_> = events.iter().map(|event| event["id"].clone()).collect();
    assert_eq!(told.concat(), ids);
    let data: Vec<_> = events.iter().map(|event| event["data"].clone()).collect();
    assert_eq!(data, ["1", "2", "3"]);
}

#[test]
fn a_rejection_equals_that_of_post_and_the_socket_stays_open() {
    let server = Server::start(&["--max-event-bytes", "1000"]);
    let mut socket = publisher(&server);
    let long = json!({ "data": "x".repeat(1001) }).to_string();
    for body in [
        r#"{"data":"a""#,
        "",
        "7",
        "[]",
        r#"["a"]"#,
        r#"{"topic":"a"}"#,
        r#"{"data":"a","dat":1}"#,
        r#"{"data":"a","data":"b"}"#,
        r#"{"data":"a","topic":"{"}"#,
        r#"{"data":"a","topic":"$ours"}"#,
        r#"{"data":"a","event":"gap"}"#,
        r#"{"data":"a","event":"x\ny"}"#,
        r#"{"data":"a","id":"1-1"}"#,
        r#"{"data":"a","retry":-1}"#,
        r#"{"data":"\ud800"}"#,
        &long,
    ] {
        let post = server.post("/events", "application/json", body);
        assert!(post.status >= 400, "{body}");
        socket.say(body);
        let problem = post.json();
        let expected = json!({
            "type": "refused", "status": post.status, "code": problem["code"],
            "detail": problem["detail"],
        });
        assert_eq!(socket.next(), expected, "{body}");
    }
    assert_eq!(socket.publish(&json!({ "data": "a" }))["type"], "published");
    assert_eq!(server.metric("published_events_total"), 1);
}

#[test]
fn publishes_get_responses_in_order_however_many_are_sent_at_once() {
    const MESSAGES: usize = 500;
    let server = Server::start(&[]);
    let mut reader = Socket::open(&server, "/ws?topic=a");
    reader.until("connected");
    let mut socket = publisher(&server);
    for n in 0..MESSAGES {
        let message = json!({ "topic": "a", "data": n.to_string(), "ref": n.to_string() });
        socket.say(message.to_string());
    }
    let answers: Vec<Value> = (0..MESSAGES).map(|_| socket.next()).collect();
    for (n, response) in answers.iter().enumerate() {
        assert_eq!(response["ref"], n.to_string());
        assert_eq!(reader.event()["id"], response["ids"][0]);
    }
}

#[test]
fn a_client_that_may_not_publish_is_rejected_before_its_message_is_read() {
    let server = Server::start(&["--no-publish"]);
    let mut socket = Socket::open(&server, "/ws");
    assert_eq!(socket.next()["type"], "connected");
    let long = "x".repeat(2_000);
    for (message, reference) in [
        (json!({ "data": "x", "ref": "r" }).to_string(), json!("r")),
        (json!({ "data": long, "ref": "r" }).to_string(), json!(null)),
        ("{".to_owned(), json!(null)),
        ("[".repeat(60_000), json!(null)),
    ] {
        socket.say(&message);
        let response = socket.next();
        assert_eq!(response["code"], "publishing_disabled", "{response}");
        assert_eq!(response["ref"], reference);
    }
}
