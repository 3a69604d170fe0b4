//! `subscribe`, against a fake server.

use std::time::{Duration, Instant};

use crate::{
    commands::fake_server::Fake,
    commands::running::{Running, run},
};

const CONNECTED: &str = "retry: 20\nevent: connected\ndata: {\"id\":\"5-0\"}\nid: 5-0\n\n";

fn subscribe(fake: &Fake, args: &[&str]) -> Running {
    let url = fake.url();
    Running::start(&[&["subscribe", "--url", &url], args].concat())
}

#[test]
fn subscribe_prints_the_data_of_events_and_no_control_events() {
    let fake = Fake::start();
    let running = subscribe(&fake, &[]);
    let (mut stream, request) = fake.stream("");
    assert_eq!(request.target(), "GET /events");
    assert_eq!(request.header("accept"), Some("text/event-stream"));
    assert_eq!(request.header("last-event-id"), None);
    stream.send(CONNECTED);
    stream.send("event: news\ndata: one\ndata:  two\nid: 5-1\n\n: ping\n");
    stream.send("event: expiring\ndata: {\"in\":30}\n\nevent: heartbeat\ndata: {}\n\n");
    stream.send("event: position\ndata: {\"id\":\"5-2\"}\nid: 5-2\n\ndata: \n\ndata: thr");
    stream.send("ee\n\n");
    assert_eq!(running.lines(4), ["one", " two", "", "three"]);
}

#[test]
fn subscribe_sends_topics_and_start_in_the_query() {
    let fake = Fake::start();
    let _running = subscribe(
        &fake,
        &["--topic", "a b", "--topic", "*&", "--last", "3", "--json"],
    );
    let (_, request) = fake.stream("");
    let target = request.target();
    assert_eq!(
        target,
        "GET /events?topic=a%20b&topic=*%26&format=json&last=3"
    );
}

#[test]
fn subscribe_reconnects_after_the_servers_retry_with_its_last_event_id() {
    let fake = Fake::start();
    let running = subscribe(&fake, &["--since", "10m"]);
    let (mut stream, request) = fake.stream("");
    assert_eq!(request.target(), "GET /events?since=10m");
    stream.send("retry: 400\ndata: one\nid: 5-1\n\nid: 5-2\ndata: cut");
    assert_eq!(running.line(), "one");
    drop(stream);
    let cut = Instant::now();
    let (mut stream, request) = fake.stream("");
    assert!(
        cut.elapsed() >= Duration::from_millis(395),
        "{:?}",
        cut.elapsed()
    );
    assert_eq!(request.header("last-event-id"), Some("5-1"));
    assert_eq!(request.target(), "GET /events");
    stream.send("data: whole\nid: 5-2\n\n");
    assert_eq!(running.line(), "whole");
}

#[test]
fn subscribe_resumes_after_the_id_of_a_position() {
    let fake = Fake::start();
    let _running = subscribe(&fake, &[]);
    let (mut stream, _) = fake.stream("");
    stream.send(CONNECTED);
    stream.send("event: position\ndata: {\"id\":\"9-0\"}\nid: 9-0\n\n");
    drop(stream);
    let (_, request) = fake.stream("");
    assert_eq!(request.header("last-event-id"), Some("9-0"));
}

#[test]
fn subscribe_reconnects_after_a_stream_without_chunked_coding() {
    let fake = Fake::start();
    let running = subscribe(&fake, &[]);
    let (mut connection, _) = fake.request();
    connection.response(
        "200 OK",
        "text/event-stream; charset=utf-8",
        "retry: 1\ndata: x\nid: 1\n\n",
    );
    assert_eq!(running.line(), "x");
    let (_, request) = fake.stream("");
    assert_eq!(request.header("last-event-id"), Some("1"));
}

#[test]
fn a_gap_is_reported_on_standard_error() {
    let fake = Fake::start();
    let running = subscribe(&fake, &["--since", "4-0"]);
    let (mut stream, _) = fake.stream("");
    stream.send("event: gap\ndata: {\"requested\":\"4-0\",\"oldest\":\"7-0\"}\nid: 6-9\n\n");
    stream.send("data: x\nid: 7-0\n\n");
    assert_eq!(running.line(), "x");
    assert_eq!(
        running.complaint(),
        "sse-broadcaster: gap: history no longer holds the events after 4-0; continuing at 7-0"
    );
}

#[test]
fn an_unreachable_server_is_retried_and_reported_once() {
    let fake = Fake::start();
    let running = subscribe(&fake, &[]);
    fake.response("503 Service Unavailable", "text/html", "<h1>away</h1>");
    fake.response("502 Bad Gateway", "text/html", "<h1>away</h1>");
    let (mut stream, _) = fake.stream("");
    stream.send("data: back\n\n");
    assert_eq!(running.line(), "back");
    let away = running.complaint();
    assert!(
        away.contains("responded 503") && away.ends_with("retrying"),
        "{away}"
    );
    assert!(running.complaint().ends_with("connected"));
    running.signal("-TERM");
    assert_eq!(running.end().complaints, [""; 0]);
}

#[test]
fn a_rejected_subscription_is_reported_in_one_line() {
    let fake = Fake::start();
    let running = subscribe(&fake, &["--since", "yesterday"]);
    let problem = r#"{"code":"invalid_since","detail":"since is a duration\nor an id"}"#;
    fake.response("400 Bad Request", "application/problem+json", problem);
    let line = running.end().failed(1);
    assert!(
        line.ends_with("since is a duration or an id (invalid_since)"),
        "{line}"
    );
}

#[test]
fn a_web_page_at_the_url_is_reported_as_no_event_stream() {
    let fake = Fake::start();
    let running = subscribe(&fake, &[]);
    fake.response("200 OK", "text/html; charset=utf-8", "<h1>welcome</h1>");
    let line = running.end().failed(1);
    assert!(line.contains("text/html") && line.contains("URL"), "{line}");
}

#[test]
fn a_rejection_between_streams_is_retried() {
    let fake = Fake::start();
    let running = subscribe(&fake, &[]);
    let (mut stream, _) = fake.stream("");
    stream.send(CONNECTED);
    drop(stream);
    fake.response("404 Not Found", "text/html", "<h1>being deployed</h1>");
    let (mut stream, _) = fake.stream("");
    stream.send("data: back\n\n");
    assert_eq!(running.line(), "back");
}

#[test]
fn a_signal_ends_subscribe_at_once_with_exit_code_0() {
    for signal in ["-INT", "-TERM"] {
        let fake = Fake::start();
        let running = subscribe(&fake, &[]);
        let (mut stream, _) = fake.stream("");
        stream.send("data: x\n\n");
        assert_eq!(running.line(), "x");
        running.signal(signal);
        assert_eq!(running.end().succeeded(), [""; 0]);
        stream.closes();
    }
}

#[test]
fn subscribe_ends_with_exit_code_0_when_its_output_is_closed() {
    let fake = Fake::start();
    let mut running = subscribe(&fake, &[]);
    let (mut stream, _) = fake.stream("");
    stream.send("data: x\n\n");
    assert_eq!(running.line(), "x");
    running.close_output();
    stream.send_until_closed("data: y\n\n");
    assert_eq!(running.end().succeeded(), [""; 0]);
}

#[test]
fn a_password_in_the_url_is_sent_and_not_shown() {
    let fake = Fake::start();
    let url = format!("http://me:secret@{}/a/b?c=d", fake.address);
    let running = Running::start(&["subscribe", "--url", &url, "--topic", "t"]);
    let request = fake.response("403 Forbidden", "text/plain", "no");
    assert_eq!(request.target(), "GET /a/b/events?c=d&topic=t");
    assert_eq!(request.header("authorization"), Some("Basic bWU6c2VjcmV0"));
    let line = running.end().failed(1);
    assert!(line.contains("403") && !line.contains("secret"), "{line}");
}

#[test]
fn last_and_since_exclude_each_other() {
    let line = run(&["subscribe", "--last", "3", "--since", "10m"]).failed(2);
    assert!(
        line.contains("--last") && line.contains("--since"),
        "{line}"
    );
}
