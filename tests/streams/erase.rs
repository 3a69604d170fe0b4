//! Erased topics: their events are gone, and a client gets a gap only if it lacks some of them.

use serde_json::json;

use crate::support::{
    Response, Server,
    tokens::{OTHER_SECRET, SECRET, bearer, token, token_by},
};

const KEY: &str = "0123456789abcdef";

fn erase(server: &Server, topic: &str, header: &str) -> Response {
    server.request(&format!("DELETE /topics/{topic} HTTP/1.1\n{header}"), b"")
}

fn erased(server: &Server, topic: &str) -> u64 {
    let response = erase(server, topic, "");
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["erased"].as_u64().expect("a number")
}

fn page(server: &Server, query: &str) -> Response {
    let head = format!("GET /events?{query} HTTP/1.1\nAccept: application/json");
    server.request(&head, b"")
}

fn data(page: &Response) -> Vec<String> {
    let page = page.json();
    let events = page["events"].as_array().expect("events").iter();
    let data = events.map(|event| event["data"].as_str().expect("text").to_owned());
    data.collect()
}

#[test]
fn erased_events_are_in_no_stream_page_or_list_and_a_client_that_lacks_them_gets_a_gap() {
    let server = Server::start(&[]);
    let first = server.publish("users/7", "one");
    server.publish("weather", "rain");
    let last = server.publish("users/7", "two");
    assert_eq!(erased(&server, "users/7"), 2);
    assert_eq!(data(&page(&server, "topic=*&since=0")), ["rain"]);
    assert_eq!(data(&page(&server, "topic=users/7&since=0")), [""; 0]);
    let topics = server.request("GET /topics HTTP/1.1", b"").json();
    assert_eq!(
        topics["topics"].as_array().map(Vec::len),
        Some(1),
        "{topics}"
    );
    let resume = |topic: &str, id: &str| {
        let path = format!("/events?topic={topic}&until=head");
        server.subscribe_with(&path, &format!("Last-Event-ID: {id}"))
    };
    let mut lacking = resume("users/7", &first);
    assert_eq!(lacking.next().unwrap().name, "gap");
    let mut elsewhere = resume("weather", &first);
    assert_eq!(elsewhere.until("connected").id, first);
    assert_eq!(elsewhere.event().unwrap().data, "rain");
    let mut complete = resume("users/7", &last);
    assert_eq!(complete.next().unwrap().name, "connected");
    assert_eq!(erased(&server, "users/7"), 0);
}

#[test]
fn a_live_stream_goes_on_and_a_topic_can_be_used_again() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events?topic=users/7");
    stream.until("connected");
    let publish = || {
        let head = "POST /events?topic=users/7&id=key HTTP/1.1";
        server.request(head, b"one").json()["id"].clone()
    };
    let first = publish();
    assert_eq!(stream.event().unwrap().data, "one");
    assert_eq!(erased(&server, "users/7"), 1);
    let second = publish();
    assert_ne!(first, second, "its key was forgotten");
    assert_eq!(stream.event().unwrap().id, second.as_str().unwrap());
}

#[test]
fn a_page_that_begins_at_a_position_says_what_is_missing_of_what_was_erased() {
    let server = Server::start(&[]);
    let first = server.publish("a", "one");
    server.publish("a", "two");
    assert_eq!(erased(&server, "a"), 2);
    server.publish("a", "three");
    let missing = page(&server, &format!("topic=a&lastEventId={first}"));
    assert_eq!(data(&missing), ["three"]);
    assert!(!missing.json()["gap"].is_null(), "{}", missing.text());
    let all = page(&server, "topic=a&since=0");
    assert_eq!(data(&all), ["three"]);
    assert!(all.json()["gap"].is_null(), "{}", all.text());
}

#[test]
fn who_may_publish_to_some_topics_only_may_not_erase_them() {
    let server = Server::start(&["--publish-key", KEY, "--token-key", SECRET]);
    let publish = |topics: &[&str]| bearer(&token(&json!({ "sse": { "publish": topics } })));
    let head = format!("POST /events?topic=a HTTP/1.1\n{}", publish(&["a"]));
    assert_eq!(server.request(&head, b"x").status, 200);
    for (header, status, code) in [
        (String::new(), 401, "key_missing"),
        (
            bearer(&token_by(OTHER_SECRET, &json!({}))),
            401,
            "token_signature",
        ),
        (publish(&["a"]), 403, "erase_not_granted"),
    ] {
        let refused = erase(&server, "a", &header);
        assert_eq!((refused.status, refused.code().as_str()), (status, code));
    }
    for header in [publish(&["*"]), bearer(KEY)] {
        assert_eq!(erase(&server, "a", &header).status, 200);
    }
}

#[test]
fn what_cannot_be_a_topic_is_refused_and_other_methods_are_not_allowed() {
    let server = Server::start(&[]);
    for (topic, code) in [("$signal/a", "reserved_topic"), ("*", "invalid_topic")] {
        let refused = erase(&server, topic, "");
        assert_eq!((refused.status, refused.code().as_str()), (422, code));
    }
    let refused = server.request("GET /topics/a HTTP/1.1", b"");
    assert_eq!(refused.status, 405);
    assert_eq!(refused.header("allow"), Some("DELETE, OPTIONS"));
    server.publish("a/finish", "x");
    assert_eq!(erased(&server, "a%2Ffinish"), 1);
}

#[test]
fn the_last_event_that_a_rule_keeps_is_erased_with_its_topic() {
    let rule = [
        "--topic-rule",
        "prices/{symbol}=latest",
        "--history-events",
        "16",
    ];
    let server = Server::start(&rule);
    server.publish("prices/a", "1");
    server.publish("prices/b", "2");
    // History has dropped it.
    for number in 0..20 {
        server.publish("other", &number.to_string());
    }
    assert_eq!(
        server
            .subscribe("/events?topic=prices/a")
            .next()
            .unwrap()
            .data,
        "1"
    );
    erased(&server, "prices/a");
    let first = |topic: &str| {
        let mut stream = server.subscribe(&format!("/events?topic={topic}"));
        stream.next().unwrap().name
    };
    assert_eq!(first("prices/a"), "connected");
    assert_eq!(first("prices/b"), "");
}
