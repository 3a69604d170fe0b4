//! `publish` of standard input, against a fake server.

use crate::{
    commands::fake_server::{Connection, Fake},
    commands::running::Running,
};

fn publish(fake: &Fake, args: &[&str]) -> Running {
    let url = fake.url();
    Running::start(&[&["publish", "--url", &url], args].concat())
}

fn take(connection: &mut Connection, count: u64, last_id: &str) {
    let body = format!(r#"{{"count":{count},"last_id":"{last_id}"}}"#);
    connection.response("200 OK", "application/json", &body);
}

/// The idempotency keys of these lines, and their data.
fn keys(body: &str) -> Vec<(String, String)> {
    let lines = body.lines().map(|line| serde_json::from_str(line).unwrap());
    let keys = lines.map(|line: serde_json::Value| {
        let text = |member: &str| line[member].as_str().unwrap_or("none").to_owned();
        (text("id"), text("data"))
    });
    keys.collect()
}

fn data(body: &str) -> Vec<String> {
    keys(body).into_iter().map(|(_, data)| data).collect()
}

#[test]
fn each_line_is_sent_as_it_comes_over_one_connection() {
    let fake = Fake::start();
    let mut running = publish(&fake, &["--topic", "log", "--event", "line"]);
    running.write("one\n");
    let (mut connection, request) = fake.request();
    assert_eq!(request.target(), "POST /events");
    assert_eq!(request.header("content-type"), Some("application/x-ndjson"));
    let (key, _) = keys(&request.body).remove(0);
    assert!(key.starts_with('p') && key.ends_with("-1"), "{key}");
    assert_eq!(
        request.body,
        format!("{{\"topics\":[\"log\"],\"id\":\"{key}\",\"event\":\"line\",\"data\":\"one\"}}\n")
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
fn lines_that_come_during_a_request_share_the_next_request() {
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
fn an_empty_input_publishes_nothing() {
    let fake = Fake::start();
    assert_eq!(
        publish(&fake, &[]).end().succeeded(),
        ["published 0 events"]
    );
}

#[test]
fn lines_of_subscribe_json_are_published_without_their_id_and_time() {
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
fn a_line_that_is_no_event_is_named_once_the_lines_before_it_are_published() {
    let fake = Fake::start();
    let mut running = publish(&fake, &["--json"]);
    running.write("{\"data\":\"one\"}\n\nhello\n{\"data\":\"never\"}\n");
    let (mut connection, request) = fake.request();
    assert_eq!(data(&request.body), ["one"]);
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
fn a_rejected_line_is_named_with_what_was_published() {
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
    connection.response(
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
fn without_retries_the_first_line_that_was_not_published_is_named() {
    let fake = Fake::start();
    let mut running = publish(&fake, &["--no-retry"]);
    running.write("1\n");
    let (mut connection, _) = fake.request();
    running.write("2\n3\n4\n");
    running.close_input();
    let problem = r#"{"code":"overloaded","detail":"later","line":0,"count":0,"last_id":null}"#;
    connection.response(
        "503 Service Unavailable",
        "application/problem+json",
        problem,
    );
    let line = running.end().failed(1);
    assert_eq!(line, "line 1: later (overloaded); published 0 events");
}

#[test]
fn bytes_that_are_not_utf_8_are_rejected_before_they_are_sent() {
    let fake = Fake::start();
    let mut running = publish(&fake, &[]);
    running.write_bytes(b"\xFF\n");
    let line = running.end().failed(1);
    assert_eq!(line, "line 1: it is not UTF-8; published 0 events");
}

const OVERLOADED: &str =
    r#"{"code":"overloaded","detail":"later","line":3,"count":1,"last_id":"5-2"}"#;

fn refuse(connection: &mut Connection, problem: &str) {
    let status = "503 Service Unavailable";
    connection.response(status, "application/problem+json", problem);
}

#[test]
fn without_retries_a_cut_connection_leaves_the_outcome_of_the_last_lines_unknown() {
    let fake = Fake::start();
    let mut running = publish(&fake, &["--no-retry"]);
    running.write("one\n");
    let (mut connection, request) = fake.request();
    assert_eq!(request.body, "{\"data\":\"one\"}\n");
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
fn lines_without_a_response_are_sent_again_in_order_with_the_same_idempotency_keys() {
    let fake = Fake::start();
    let mut running = publish(&fake, &[]);
    running.write("one\n");
    let (connection, first) = fake.request();
    running.write("two\nthree\n");
    drop(connection);
    let (mut connection, again) = fake.request();
    assert_eq!(again.body, first.body);
    take(&mut connection, 1, "5-1");
    let rest = connection.request();
    assert_eq!(data(&rest.body), ["two", "three"]);
    take(&mut connection, 2, "5-3");
    let reported = running.complaint();
    assert!(reported.contains("trying again"), "{reported}");
    assert!(running.complaint().ends_with("/events: publishing again"));
    let published = running.end().succeeded();
    assert_eq!(published, ["published 3 events, the last is 5-3"]);
}

/// What the second request holds depends on how far the command has read its input by the response to the first.
const TRIES: usize = 10;

#[test]
fn after_a_temporary_rejection_only_unpublished_lines_are_sent_again() {
    for _ in 0..TRIES {
        let fake = Fake::start();
        let mut running = publish(&fake, &[]);
        running.write("one\n");
        let (mut connection, _) = fake.request();
        running.write("two\nthree\n");
        take(&mut connection, 1, "5-1");
        let both = keys(&connection.request().body);
        if both.len() < 2 {
            continue;
        }
        refuse(&mut connection, OVERLOADED);
        assert_eq!(keys(&connection.request().body), both[1..]);
        take(&mut connection, 1, "5-3");
        assert!(
            running
                .complaint()
                .contains("later (overloaded); trying again")
        );
        assert!(running.complaint().ends_with("publishing again"));
        let published = running.end().succeeded();
        assert_eq!(published, ["published 3 events, the last is 5-3"]);
        return;
    }
    panic!("no request held two lines");
}

#[test]
fn an_error_that_is_not_temporary_is_not_retried() {
    for (status, body) in [
        ("401 Unauthorized", r#"{"code":"wrong_key","detail":"no"}"#),
        ("404 Not Found", "{}"),
        ("200 OK", "<h1>welcome</h1>"),
    ] {
        let fake = Fake::start();
        let mut running = publish(&fake, &[]);
        running.write("one\n");
        fake.response(status, "application/problem+json", body);
        let line = running.end().failed(1);
        assert!(line.ends_with("; published 0 events"), "{line}");
    }
}

#[test]
fn a_copied_event_without_an_idempotency_key_is_not_sent_twice() {
    let fake = Fake::start();
    let mut running = publish(&fake, &["--json"]);
    running.write("{\"id\":\"5-1\",\"own_id\":null,\"data\":\"one\"}\n");
    let (mut connection, request) = fake.request();
    assert_eq!(request.body, "{\"data\":\"one\"}\n");
    // Nothing was kept, so that it may be sent again.
    let problem = r#"{"code":"draining","detail":"later","line":1,"count":0,"last_id":null}"#;
    refuse(&mut connection, problem);
    connection.request();
    drop(connection);
    assert!(running.complaint().contains("trying again"));
    let line = running.end().failed(1);
    assert!(
        line.contains("whether line 1 was published is not known"),
        "{line}"
    );
}

#[test]
fn a_signal_while_the_server_is_unreachable_reports_the_lines_that_were_not_published() {
    let mut running = Running::start(&["publish", "--url", "http://127.0.0.1:1"]);
    running.write("one\ntwo\n");
    assert!(
        running
            .complaint()
            .contains("connection refused; trying again")
    );
    running.signal("-INT");
    let line = running.end().failed(1);
    assert!(line.contains("not published; published 0 events"), "{line}");
}

#[test]
fn a_signal_ends_the_input_and_the_totals_are_printed() {
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
fn a_second_signal_ends_publish_without_waiting_for_the_server() {
    let fake = Fake::start();
    let mut running = publish(&fake, &[]);
    running.write("one\n");
    let (_connection, _) = fake.request();
    running.signal_until_it_ends("-INT");
    assert_eq!(running.end().code, Some(130));
}

#[test]
fn json_lines_have_topics_of_their_own() {
    for other in [&["--topic", "a"][..], &["--event", "a"], &["text"]] {
        let args = [&["publish", "--json"], other].concat();
        let line = Running::start(&args).end().failed(2);
        assert!(line.contains("--json"), "{line}");
    }
}
