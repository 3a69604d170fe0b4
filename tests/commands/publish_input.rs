//! `publish` of standard input, against a server that the test plays.

use crate::{
    fake::{Connection, Fake},
    running::Running,
};

fn publish(fake: &Fake, args: &[&str]) -> Running {
    let url = fake.url();
    Running::start(&[&["publish", "--url", &url], args].concat())
}

fn take(connection: &mut Connection, count: u64, last_id: &str) {
    let body = format!(r#"{{"count":{count},"last_id":"{last_id}"}}"#);
    connection.answer("200 OK", "application/json", &body);
}

#[test]
fn each_line_is_sent_as_it_comes_over_one_connection() {
    let fake = Fake::start();
    let mut running = publish(&fake, &["--topic", "log", "--event", "line"]);
    running.write("one\n");
    let (mut connection, request) = fake.request();
    assert_eq!(request.target(), "POST /events");
    assert_eq!(request.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(
        request.body,
        "{\"topics\":[\"log\"],\"event\":\"line\",\"data\":\"one\"}\n"
    );
    take(&mut connection, 1, "5-1");
    running.write("two \"quoted\"\r\n");
    assert!(
        connection
            .request()
            .body
            .contains(r#""data":"two \"quoted\"""#)
    );
    take(&mut connection, 1, "5-2");
    running.write("three");
    running.close_input();
    assert!(connection.request().body.contains(r#""data":"three""#));
    take(&mut connection, 1, "5-3");
    assert_eq!(
        running.end().succeeded(),
        ["published 3 events, the last is 5-3"]
    );
}

#[test]
fn lines_that_come_while_a_request_is_under_way_share_the_next() {
    let fake = Fake::start();
    let mut running = publish(&fake, &[]);
    running.write("first\n");
    let (mut connection, _) = fake.request();
    running.write(&"more\n".repeat(3));
    running.close_input();
    take(&mut connection, 1, "5-1");
    let mut published = 1;
    while published < 4 {
        let lines = connection.request().body.lines().count() as u64;
        published += lines;
        take(&mut connection, lines, &format!("5-{published}"));
    }
    assert_eq!(
        running.end().succeeded(),
        ["published 4 events, the last is 5-4"]
    );
}

#[test]
fn nothing_to_read_is_nothing_published() {
    let fake = Fake::start();
    assert_eq!(
        publish(&fake, &[]).end().succeeded(),
        ["published 0 events"]
    );
}

#[test]
fn what_subscribe_wrote_is_taken_without_its_position_and_time() {
    let fake = Fake::start();
    let mut running = publish(&fake, &["--json"]);
    running.write(
        r#"{"id":"5-1","own_id":"mine","topics":["a","b"],"event":"e","data":"x\ny","retry":7,"time":"2026-01-31T12:00:00.000Z"}"#,
    );
    running.close_input();
    let (mut connection, request) = fake.request();
    assert_eq!(
        request.body,
        "{\"topics\":[\"a\",\"b\"],\"id\":\"mine\",\"event\":\"e\",\"data\":\"x\\ny\",\"retry\":7}\n"
    );
    take(&mut connection, 1, "6-1");
    assert_eq!(
        running.end().succeeded(),
        ["published 1 event, the last is 6-1"]
    );
}

#[test]
fn a_line_that_is_no_event_is_named_after_those_before_it_were_published() {
    let fake = Fake::start();
    let mut running = publish(&fake, &["--json"]);
    running.write("{\"data\":\"one\"}\n\nhello\n{\"data\":\"never\"}\n");
    let (mut connection, request) = fake.request();
    assert_eq!(request.body, "{\"data\":\"one\"}\n");
    take(&mut connection, 1, "5-1");
    let line = running.end().failed(1);
    assert!(
        line.starts_with("line 3: expected value at column 1"),
        "{line}"
    );
    assert!(
        line.ends_with("; published 1 event, the last is 5-1"),
        "{line}"
    );
}

#[test]
fn a_line_that_the_server_refuses_is_named_with_what_stands() {
    let fake = Fake::start();
    let mut running = publish(&fake, &["--json"]);
    running.write("{\"data\":\"1\"}\n");
    let (mut connection, _) = fake.request();
    // Blank lines are not sent, and still count where a line is named.
    running.write("\n\n{\"data\":\"4\"}\n");
    running.close_input();
    take(&mut connection, 1, "5-1");
    connection.request();
    let problem = r#"{"code":"invalid_topic","detail":"no","line":1,"count":0,"last_id":null}"#;
    connection.answer(
        "422 Unprocessable Content",
        "application/problem+json",
        problem,
    );
    assert_eq!(
        running.end().failed(1),
        "line 4: no (invalid_topic); published 1 event, the last is 5-1"
    );
}

#[test]
fn the_first_line_that_does_not_stand_is_named_where_many_are_taken_at_once() {
    let fake = Fake::start();
    let mut running = publish(&fake, &[]);
    running.write("1\n");
    let (mut connection, _) = fake.request();
    running.write("2\n3\n4\n");
    running.close_input();
    let problem = r#"{"code":"overloaded","detail":"later","line":0,"count":0,"last_id":null}"#;
    connection.answer(
        "503 Service Unavailable",
        "application/problem+json",
        problem,
    );
    let line = running.end().failed(1);
    assert_eq!(line, "line 1: later (overloaded); published 0 events");
}

#[test]
fn bytes_that_are_no_text_are_refused_here() {
    let fake = Fake::start();
    let mut running = publish(&fake, &[]);
    running.write_bytes(b"\xFF\n");
    let line = running.end().failed(1);
    assert_eq!(line, "line 1: it is not UTF-8; published 0 events");
}

#[test]
fn a_connection_that_is_cut_leaves_the_last_lines_unknown() {
    let fake = Fake::start();
    let mut running = publish(&fake, &[]);
    running.write("one\n");
    let (mut connection, _) = fake.request();
    take(&mut connection, 1, "5-1");
    running.write("two\n");
    connection.request();
    drop(connection);
    let line = running.end().failed(1);
    assert!(
        line.contains("whether line 2 was published is not known"),
        "{line}"
    );
    assert!(
        line.ends_with("; published 1 event, the last is 5-1"),
        "{line}"
    );
}

#[test]
fn a_signal_ends_the_input_and_what_was_published_is_told() {
    for signal in ["-INT", "-TERM"] {
        let fake = Fake::start();
        let mut running = publish(&fake, &[]);
        running.write("one\n");
        let (mut connection, _) = fake.request();
        running.signal(signal);
        take(&mut connection, 1, "5-1");
        assert_eq!(running.line(), "published 1 event, the last is 5-1");
        assert_eq!(running.end().succeeded(), [""; 0]);
    }
}

#[test]
fn a_signal_after_the_input_has_ended_changes_nothing() {
    let fake = Fake::start();
    let mut running = publish(&fake, &[]);
    running.write("one\n");
    let (mut connection, _) = fake.request();
    running.close_input();
    running.signal("-INT");
    take(&mut connection, 1, "5-1");
    assert_eq!(
        running.end().succeeded(),
        ["published 1 event, the last is 5-1"]
    );
}

#[test]
fn who_insists_does_not_wait_for_the_server() {
    let fake = Fake::start();
    let mut running = publish(&fake, &[]);
    running.write("one\n");
    let (_connection, _) = fake.request();
    running.signal_until_it_ends("-INT");
    assert_eq!(running.end().code, Some(130));
}

#[test]
fn objects_bring_their_own_topics() {
    for other in [&["--topic", "a"][..], &["--event", "a"], &["text"]] {
        let args = [&["publish", "--json"], other].concat();
        let line = Running::start(&args).end().failed(2);
        assert!(line.contains("--json"), "{line}");
    }
}
