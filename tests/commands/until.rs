//! `subscribe --until head`, against a fake server.

use crate::{
    commands::fake_server::{Connection, Fake},
    commands::running::Running,
};

fn until_head(fake: &Fake) -> Running {
    Running::start(&["subscribe", "--url", &fake.url(), "--until", "head"])
}

fn replay(fake: &Fake) -> Connection {
    let (mut stream, request) = fake.stream("Event-Head: 5-3\r\n");
    assert_eq!(request.target(), "GET /events?until=head&since=earliest");
    stream.send("retry: 20\nevent: connected\ndata: {\"id\":\"1-0\"}\nid: 1-0\n\n");
    stream.send("data: one\nid: 5-1\n\n");
    stream
}

#[test]
fn until_head_ends_with_the_event_at_the_head() {
    let fake = Fake::start();
    let running = until_head(&fake);
    replay(&fake).send("data: three\nid: 5-3\n\ndata: later\nid: 5-4\n\n");
    assert_eq!(running.end().succeeded(), ["one", "three"]);
}

#[test]
fn until_head_ends_with_a_position_where_the_head_is_of_another_topic() {
    let fake = Fake::start();
    let running = until_head(&fake);
    let mut stream = replay(&fake);
    assert_eq!(running.line(), "one");
    stream.send("event: position\ndata: {\"id\":\"5-3\"}\nid: 5-3\n\n");
    assert_eq!(running.end().succeeded(), [""; 0]);
}

#[test]
fn until_head_prints_no_event_after_the_head() {
    let fake = Fake::start();
    let running = until_head(&fake);
    replay(&fake).send("data: later\nid: 5-4\n\n");
    assert_eq!(running.end().succeeded(), ["one"]);
}

#[test]
fn a_cut_does_not_move_the_end_of_until_head() {
    let fake = Fake::start();
    let running = until_head(&fake);
    drop(replay(&fake));
    let (mut stream, request) = fake.stream("Event-Head: 9-9\r\n");
    assert_eq!(request.target(), "GET /events?until=head");
    assert_eq!(request.header("last-event-id"), Some("5-1"));
    stream.send("event: connected\ndata: {\"id\":\"5-1\"}\nid: 5-1\n\ndata: three\nid: 5-3\n\n");
    assert_eq!(running.end().succeeded(), ["one", "three"]);
}

#[test]
fn until_head_ends_at_connected_where_history_is_empty() {
    let fake = Fake::start();
    let running = until_head(&fake);
    let (mut stream, _) = fake.stream("Event-Head: 5-0\r\n");
    stream.send("event: connected\ndata: {\"id\":\"5-0\"}\nid: 5-0\n\n");
    assert_eq!(running.end().succeeded(), [""; 0]);
}

#[test]
fn until_head_reconnects_to_a_server_without_room() {
    let fake = Fake::start();
    let running = until_head(&fake);
    let (mut full, _) = fake.stream("");
    full.send("retry: 30\nevent: position\ndata: {\"id\":null}\n\n");
    drop(full);
    replay(&fake).send("data: three\nid: 5-3\n\n");
    let ended = running.end();
    assert_eq!(
        (ended.code, ended.output),
        (Some(0), vec!["one".to_owned(), "three".to_owned()])
    );
    let complaints = ended.complaints;
    assert!(
        complaints[0].ends_with("the stream was cut before the first message; retrying"),
        "{complaints:?}"
    );
    assert!(complaints[1].ends_with("connected"), "{complaints:?}");
}

#[test]
fn until_head_fails_where_the_server_sends_no_head() {
    let fake = Fake::start();
    let running = until_head(&fake);
    let (mut stream, _) = fake.stream("");
    stream.send("data: x\n\n");
    let line = running.end().failed(1);
    assert!(line.contains("--until"), "{line}");
}

#[test]
fn a_copy_with_a_gap_is_printed_and_is_a_failure() {
    let fake = Fake::start();
    let running = until_head(&fake);
    let mut stream = replay(&fake);
    stream.send("event: gap\ndata: {\"requested\":\"5-1\",\"oldest\":\"5-3\"}\nid: 5-2\n\n");
    stream.send("data: three\nid: 5-3\n\n");
    let ended = running.end();
    assert_eq!((ended.code, ended.output.len()), (Some(1), 2));
    let last = ended.complaints.last().unwrap();
    assert!(last.contains("not all events that were there"), "{last}");
}
