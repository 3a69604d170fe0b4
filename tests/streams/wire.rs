//! The head of the response, the formats of events, and which events are sent.

use crate::support::Server;

#[test]
fn a_stream_has_its_headers_and_connected_at_once() {
    let server = Server::start(&[]);
    let head = server.publish("other", "x");
    let mut stream = server.subscribe("/events");
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    assert_eq!(
        stream.header("cache-control"),
        Some("no-cache, no-transform")
    );
    assert_eq!(stream.header("x-accel-buffering"), Some("no"));
    assert_eq!(stream.header("event-head"), Some(head.as_str()));
    let text = stream.peek("\n\n").to_owned();
    let retry = text.lines().next().unwrap();
    assert!(retry.starts_with("retry: "), "{retry}");
    assert_eq!(
        text,
        format!("{retry}\nevent: connected\ndata: {{\"id\":\"{head}\"}}\nid: {head}\n\n")
    );
    let id = server.publish("default", "hello");
    assert_eq!(stream.until("connected").id, head);
    let event = stream.next().unwrap();
    assert_eq!(
        (event.name.as_str(), event.data.as_str(), event.id),
        ("", "hello", id)
    );
}

#[test]
fn a_name_and_every_line_of_the_data_arrive_as_they_were_published() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events?topic=a&datastar=%7B%7D&unknown");
    let body = r#"{"topic":"a","event":"greeting","data":"é\r\nid: 9-9\r\u2028x\n","retry":700}"#;
    assert_eq!(server.post("/events", "application/json", body).status, 200);
    let event = stream.event().unwrap();
    assert_eq!(
        (event.name.as_str(), event.data.as_str()),
        ("greeting", "é\nid: 9-9\n\u{2028}x\n")
    );
    assert_eq!(stream.retry, Some(700));
}

#[test]
fn format_json_holds_every_field_and_has_no_event_name() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events?topic=a&format=json");
    assert_eq!(stream.next().unwrap().name, "connected");
    let body = r#"{"topics":["a","b"],"event":"e","data":"x\ny","id":"mine","retry":50}"#;
    let id = server.post("/events", "application/json", body).json()["id"].clone();
    let event = stream.next().unwrap();
    assert_eq!(
        (event.name.as_str(), event.id.as_str()),
        ("", id.as_str().unwrap())
    );
    let mut data: serde_json::Value = serde_json::from_str(&event.data).unwrap();
    let time = data["time"].take();
    assert!(
        time.as_str()
            .is_some_and(|time| time.starts_with("20") && time.ends_with('Z'))
    );
    let expected = serde_json::json!({
        "id": id, "own_id": "mine", "topics": ["a", "b"], "event": "e", "data": "x\ny", "retry": 50,
        "time": null,
    });
    assert_eq!(data, expected);
    server.publish("a", "plain");
    let data: serde_json::Value = serde_json::from_str(&stream.next().unwrap().data).unwrap();
    assert!(data["event"].is_null() && data["own_id"].is_null() && data["retry"].is_null());
}

#[test]
fn pings_are_comments_and_dispatch_no_event() {
    let server = Server::start(&["--ping-interval", "50ms"]);
    let mut stream = server.subscribe("/events?topic=a");
    stream.until("connected");
    let text = stream.peek(": ping\n: ping\n: ping\n");
    assert!(
        !text.contains("\n\n"),
        "a blank line fires an empty message in some clients"
    );
    server.publish("a", "x");
    assert_eq!(stream.next().unwrap().data, "x");
    assert!(stream.pings >= 3);
}

#[test]
fn a_stream_has_the_events_of_its_topics_and_an_event_of_two_of_them_once() {
    let server = Server::start(&[]);
    let start = server.publish("c", "start");
    let live: Vec<_> = ["topic=a", "topic=b", "topic=a&topic=b", "topic=*"]
        .map(|query| (query, server.subscribe(&format!("/events?{query}"))))
        .into();
    let publish = |topics: &[&str], data: &str| {
        let event = serde_json::json!({ "topics": topics, "data": data });
        assert_eq!(
            server
                .post("/events", "application/json", &event.to_string())
                .status,
            200
        );
    };
    publish(&["a"], "1");
    publish(&["b"], "2");
    publish(&["a", "b"], "3");
    publish(&["c"], "4");
    publish(&["a", "b", "c"], "end");
    for (query, mut stream) in live {
        let expected: &[&str] = match query {
            "topic=a" => &["1", "3", "end"],
            "topic=b" => &["2", "3", "end"],
            "topic=a&topic=b" => &["1", "2", "3", "end"],
            _ => &["1", "2", "3", "4", "end"],
        };
        assert_eq!(stream.data(expected.len()), expected, "live {query}");
        let mut replay = server.subscribe(&format!("/events?{query}&since={start}"));
        assert_eq!(replay.data(expected.len()), expected, "replayed {query}");
    }
}
