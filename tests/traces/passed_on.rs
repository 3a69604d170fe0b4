//! The trace of an event, for subscribers that ask for it.

use serde_json::Value;

use super::{Collector, publish_in, server, traceparent};
use crate::support::{Server, socket::Socket, tokens::Application};

fn member(json: &str) -> Value {
    let event: Value = serde_json::from_str(json).unwrap();
    event["traceparent"].clone()
}

fn page(server: &Server, query: &str) -> Vec<Value> {
    let head = format!("GET /events?{query} HTTP/1.1\nAccept: application/json");
    let page = server.request(&head, b"").json();
    let events = page["events"].as_array().unwrap();
    events
        .iter()
        .map(|event| event["traceparent"].clone())
        .collect()
}

#[test]
fn a_stream_and_a_page_of_history_have_the_traceparent_of_a_sampled_event_if_they_ask_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["--data-dir", directory.path().to_str().unwrap()];
    let server = Server::start(&arguments);
    let mut asking = server.subscribe("/events?topic=a&format=json&traceparent=true");
    let mut silent = server.subscribe("/events?topic=a&format=json");
    asking.until("connected");
    silent.until("connected");
    let sent = traceparent(1, true);
    publish_in(&server, &sent, "a");
    publish_in(&server, &traceparent(2, false), "a");
    // Without a collector the server adds no span of its own.
    let [first, second] = [(); 2].map(|()| member(&asking.event().unwrap().data));
    assert_eq!((first, second), (sent.as_str().into(), Value::Null));
    assert_eq!(member(&silent.event().unwrap().data), Value::Null);
    drop((asking, silent, server));
    let server = Server::start(&arguments);
    assert_eq!(
        page(&server, "topic=a&traceparent=true"),
        [sent.into(), Value::Null]
    );
    assert_eq!(page(&server, "topic=a"), [Value::Null, Value::Null]);
}

#[test]
fn with_a_collector_subscribers_get_the_span_of_the_publish_as_their_parent() {
    let mut collector = Collector::start();
    let server = server(&collector.url(), &[], &[]);
    let mut stream = server.subscribe("/events?topic=a&traceparent=true");
    stream.until("connected");
    publish_in(&server, &traceparent(1, true), "a");
    let parent = member(&stream.event().unwrap().data);
    let span = collector.span("POST /events");
    let expected = format!("00-{}-{}-01", super::trace_id(1), span.id());
    assert_eq!(parent, Value::from(expected));
}

#[test]
fn a_socket_passes_the_traceparent_of_a_message_on_and_without_the_parameter_it_does_not() {
    let server = Server::start(&[]);
    let mut asking = Socket::open(&server, "/ws?topic=a&traceparent=true");
    let mut silent = Socket::open(&server, "/ws?topic=a");
    let sent = traceparent(1, true);
    asking.say(format!(
        r#"{{"topic":"a","data":"x","traceparent":"{sent}"}}"#
    ));
    assert_eq!(asking.event()["traceparent"], Value::from(sent));
    assert_eq!(silent.event()["traceparent"], Value::Null);
}

#[test]
fn a_traceparent_parameter_that_cannot_work_is_refused() {
    let server = Server::start(&[]);
    for query in ["traceparent=1", "traceparent=true&format=sse"] {
        let response = server.get(&format!("/events?{query}"));
        assert_eq!(
            (response.status, response.json()["code"].as_str()),
            (400, Some("invalid_traceparent"))
        );
    }
}

#[test]
fn the_application_is_sent_the_traceparent_of_the_request_that_it_is_asked_for() {
    let grants = serde_json::json!({ "user": "u", "ttl": 600, "subscribe": ["a"] });
    let application = Application::start(move |_| (200, grants.to_string()));
    let url = application.url("/access");
    let server = Server::start(&[
        "--subscribe-access",
        "closed",
        "--authorize-url",
        &url,
        "--authorize-header",
        "traceparent",
    ]);
    for number in 1..=3 {
        let lines = format!("Cookie: sid=1\ntraceparent: {}", traceparent(number, false));
        let mut stream = server.subscribe_with("/events?topic=a", &lines);
        stream.until("connected");
    }
    // The trace is no part of the session, which is asked for once.
    let heads = application.heads();
    let sent: Vec<_> = heads
        .iter()
        .map(|head| head.matches("traceparent").count())
        .collect();
    assert_eq!(sent, [1], "{heads:?}");
    assert!(heads[0].contains(&traceparent(1, false)), "{heads:?}");
}
