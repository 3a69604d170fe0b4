//! History read once, as JSON, without a stream.

use serde_json::Value;

use crate::support::{Response, Server};

const JSON: &str = "application/json";
const LINES: &str = "application/x-ndjson";

fn page(server: &Server, query: &str, accept: &str) -> Response {
    let head = format!("GET /events?{query} HTTP/1.1\nAccept: {accept}");
    server.request(&head, b"")
}

fn data(page: &Value) -> Vec<String> {
    let events = page["events"].as_array().expect("events");
    let data = |event: &Value| event["data"].as_str().expect("data").to_owned();
    events.iter().map(data).collect()
}

fn numbers(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}

/// Reads page after page, each behind the position of the one before.
fn all_pages(server: &Server, query: &str) -> (Vec<String>, usize) {
    let (mut read, mut pages, mut after) = (Vec::new(), 0, String::new());
    loop {
        let response = page(server, &format!("{query}&last_event_id={after}"), JSON);
        assert_eq!(response.status, 200, "{response:?}");
        let page = response.json();
        assert_eq!(page["gap"], Value::Null);
        read.extend(data(&page));
        pages += 1;
        page["position"].as_str().unwrap().clone_into(&mut after);
        if page["more"] == false {
            return (read, pages);
        }
    }
}

#[test]
fn accept_application_json_reads_history_once_oldest_first() {
    let server = Server::start(&[]);
    let ids = server.publish_all("a", numbers(0..5));
    let other = server.publish("b", "b");
    let response = page(&server, "topic=a", JSON);
    assert_eq!(response.header("content-type"), Some(JSON));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("event-head"), Some(&other[..]));
    let whole = response.json();
    assert_eq!(data(&whole), numbers(0..5));
    assert_eq!(whole["events"][1]["id"], ids[1]);
    assert_eq!(whole["events"][1]["topics"], serde_json::json!(["a"]));
    assert_eq!(whole["head"], other);
    assert_eq!(whole["position"], other, "nothing more of a up to the head");
    assert_eq!(whole["more"], false);
    for (query, expected) in [
        ("topic=a&last=2".to_owned(), numbers(3..5)),
        ("topic=a&last=0".to_owned(), vec![]),
        ("topic=a&last=3&limit=2".to_owned(), numbers(2..4)),
        ("topic=a&since=10m&format=json".to_owned(), numbers(0..5)),
        (format!("topic=a&last_event_id={}", ids[2]), numbers(3..5)),
        (format!("topic=a&since={}", ids[3]), numbers(4..5)),
        ("topic=none".to_owned(), vec![]),
    ] {
        assert_eq!(
            data(&page(&server, &query, JSON).json()),
            expected,
            "{query}"
        );
    }
    let all = data(&page(&server, "topic=*", JSON).json());
    assert_eq!(all.len(), 6);
}

#[test]
fn pages_after_each_others_position_hold_every_event_exactly_once() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().to_str().unwrap();
    for arguments in [
        &[][..],
        &["--data-dir", log, "--window-events", "80"],
        &["--replay-bytes-per-second", "0"],
    ] {
        let server = Server::start(arguments);
        for batch in 0..30 {
            server.publish_all("a", numbers(batch * 20..batch * 20 + 20));
            server.publish("b", "b");
        }
        for (limit, pages) in [(7, 86), (200, 3), (599, 2), (600, 1), (10_000, 1)] {
            let (read, count) = all_pages(&server, &format!("topic=a&limit={limit}"));
            assert_eq!(read, numbers(0..600), "{arguments:?} {limit}");
            // A last page that is full cannot tell that nothing but another topic follows.
            assert!((pages..=pages + 1).contains(&count), "{limit}: {count}");
        }
    }
}

#[test]
fn accept_ndjson_reads_history_as_a_line_for_each_event_and_a_gap_before_them() {
    let server = Server::start(&["--history-events", "16"]);
    let first = server.publish("a", "lost");
    for batch in 0..4 {
        server.publish_all("a", numbers(batch * 4..batch * 4 + 4));
    }
    for accept in [LINES, "application/ndjson", "application/jsonl"] {
        let response = page(&server, "topic=a&limit=2", accept);
        assert_eq!(response.header("content-type"), Some(LINES));
        let text = response.text();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1]["data"], "1");
        assert!(text.ends_with('\n'));
    }
    let lost = format!("topic=a&last_event_id={}", first.replace('-', "-9"));
    let text = page(&server, &lost, LINES).text();
    let gap: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(gap["type"], "gap");
    assert!(gap["oldest"].is_string());
    assert_eq!(text.lines().count(), 17);
    let page = page(&server, &lost, JSON).json();
    assert_eq!(page["gap"]["oldest"], gap["oldest"]);
    assert_eq!(data(&page), numbers(0..16));
}

#[test]
fn a_page_of_large_events_is_whole_and_its_connection_serves_the_next_request() {
    let server = Server::start(&["--replay-bytes-per-second", "0"]);
    let large = "x".repeat(500_000);
    for _ in 0..6 {
        server.publish("a", &large);
    }
    let mut socket = server.connect();
    let request = format!(
        "GET /events?topic=a HTTP/1.1\r\nHost: {0}\r\nAccept: {JSON}\r\n\r\n\
         GET /health/live HTTP/1.1\r\nHost: {0}\r\nConnection: close\r\n\r\n",
        server.address
    );
    std::io::Write::write_all(&mut socket, request.as_bytes()).unwrap();
    let mut both = Vec::new();
    std::io::Read::read_to_end(&mut socket, &mut both).unwrap();
    let both = String::from_utf8(both).unwrap();
    assert!(both.len() > 3_000_000);
    assert!(both.contains("\"more\":false}\n\r\n0\r\n\r\nHTTP/1.1 200 OK"));
    assert!(both.ends_with("{\"status\":\"live\"}\n"));
}

#[test]
fn clients_that_accept_an_event_stream_or_anything_get_a_stream() {
    let server = Server::start(&[]);
    server.publish("a", "x");
    for accept in [
        "",
        "Accept: */*",
        "Accept: text/event-stream",
        "Accept: text/event-stream, text/html, application/json",
    ] {
        let mut stream = server.subscribe_with("/events?topic=a&last=1", accept);
        assert_eq!(stream.data(1), ["x"], "{accept}");
    }
}

#[test]
fn an_invalid_history_page_is_rejected_with_the_reason() {
    let server = Server::start(&[]);
    for (query, code) in [
        ("limit=0", "invalid_limit"),
        ("limit=10001", "invalid_limit"),
        ("since=yesterday", "invalid_since"),
        ("format=sse", "invalid_format"),
    ] {
        let response = page(&server, query, JSON);
        assert_eq!((response.status, response.code()), (400, code.to_owned()));
    }
    let head = server.request("HEAD /events HTTP/1.1\nAccept: application/json", b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-type"), Some(JSON));
}
