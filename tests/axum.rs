//! Streams as responses of an axum application: the example, over real sockets.

use serde_json::{Value, json};

use crate::support::Server;

#[test]
fn a_subscription_is_a_response_that_resumes() {
    let server = Server::example("axum");
    let mut stream = server.subscribe("/rooms/hall");
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    assert_eq!(
        stream.header("cache-control"),
        Some("no-cache, no-transform")
    );
    assert_eq!(stream.header("x-accel-buffering"), Some("no"));
    stream.until("connected");
    let say = |text: &str| server.post("/rooms/hall", "text/plain", text).text();
    server.post("/rooms/other", "text/plain", "elsewhere");
    let first = say("one");
    let event = stream.event().unwrap();
    assert_eq!((event.data.as_str(), &event.id), ("one", &first));
    say("two");
    let mut again = server.subscribe_with("/rooms/hall", &format!("Last-Event-ID: {first}"));
    assert_eq!(again.data(1), ["two"]);
    let refused = server.get("/rooms/hall?since=yesterday");
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (400, "invalid_since")
    );
}

#[test]
fn signals_are_a_response_that_begins_with_the_whole_document() {
    let server = Server::example("axum");
    let mut stream = server.subscribe("/signals?name=clock");
    let whole: Value = serde_json::from_str(&stream.event().unwrap().data).unwrap();
    let first = whole["patch"][0]["value"].as_u64().unwrap();
    assert_eq!(
        whole,
        json!({"name": "clock", "patch": [{"op": "replace", "path": "", "value": first}]})
    );
    let next: Value = serde_json::from_str(&stream.event().unwrap().data).unwrap();
    assert_eq!(next["patch"][0]["value"], json!(first + 1));
    let refused = server.get("/signals");
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (400, "no_signals")
    );
}

#[test]
fn an_error_of_the_library_is_a_problem_with_its_stable_code() {
    let server = Server::example("axum");
    let long = "x".repeat((1 << 20) + 1);
    for (room, body, status, code) in [
        ("hall*", "hello", 422, "invalid_topic"),
        ("hall", &long, 413, "too_large"),
    ] {
        let refused = server.post(&format!("/rooms/{room}"), "text/plain", body);
        assert_eq!((refused.status, refused.code().as_str()), (status, code));
        let kind = refused.header("content-type");
        assert_eq!(kind, Some("application/problem+json"));
        assert_eq!(refused.header("cache-control"), Some("no-store"));
    }
}
