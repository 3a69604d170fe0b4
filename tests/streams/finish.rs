//! Finished topics: their streams end, and clients that have everything get 204.

use std::process::Command;

use crate::{
    redis::nodes::node,
    support::{
        Server, Stream, command,
        redis::RedisServer,
        socket::{End, Socket},
        wait_until,
    },
};

const KEY: &str = "0123456789abcdef";

/// Finishes a topic, and returns the id of the event.
fn finish(server: &Server, topic: &str, body: &str) -> String {
    let head = format!("POST /topics/{topic}/finish HTTP/1.1\nContent-Type: application/json");
    let response = server.request(&head, body.as_bytes());
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["id"].as_str().expect("an id").to_owned()
}

/// Reads to the end: the names and data of all blocks that have data of a publisher.
fn rest(mut stream: Stream) -> Vec<(String, String)> {
    let messages = stream.drain().into_iter();
    let published =
        messages.filter(|message| message.name.is_empty() || message.name == "finished");
    published
        .map(|message| (message.name, message.data))
        .collect()
}

fn with_id(server: &Server, path: &str, id: &str) -> u16 {
    let head = format!("GET {path} HTTP/1.1\nAccept: text/event-stream\nLast-Event-ID: {id}");
    server.status_line(&head)
}

fn named(name: &str, data: &str) -> (String, String) {
    (name.to_owned(), data.to_owned())
}

#[test]
fn a_finished_topic_ends_its_streams_and_a_client_that_has_all_of_it_is_not_to_reconnect() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events?topic=job/17");
    let mut all = server.subscribe("/events?topic=*");
    stream.until("connected");
    all.until("connected");
    server.publish("job/17", "half");
    let id = finish(&server, "job/17", r#"{"data":"done"}"#);
    assert_eq!(stream.event().unwrap().data, "half");
    let finished = stream.until("finished");
    assert_eq!(
        (finished.data.as_str(), finished.id.as_str()),
        ("done", id.as_str())
    );
    assert_eq!(rest(stream), []);
    assert_eq!(with_id(&server, "/events?topic=job/17", &id), 204);
    assert_eq!(all.until("finished").id, id);
    server.publish("other", "goes on");
    assert_eq!(all.event().unwrap().data, "goes on");
    wait_until("the end is counted", || server.ended("finished") == 1);
}

#[test]
fn a_stream_of_several_topics_ends_with_the_last_of_them() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events?topic=a&topic=b");
    stream.until("connected");
    let first = finish(&server, "a", "");
    assert_eq!(stream.until("finished").id, first);
    server.publish("b", "more");
    assert_eq!(stream.event().unwrap().data, "more");
    let last = finish(&server, "b", "{}");
    assert_eq!(stream.until("finished").id, last);
    assert_eq!(rest(stream), []);
    assert_eq!(with_id(&server, "/events?topic=a&topic=b", &first), 200);
    assert_eq!(with_id(&server, "/events?topic=a&topic=b", &last), 204);
    assert_eq!(
        with_id(&server, "/events?topic=a", &last),
        204,
        "a later position"
    );
    assert_eq!(with_id(&server, "/events?topic=a&topic=c", &last), 200);
}

#[test]
fn a_late_subscriber_gets_what_it_asks_for_of_history_and_the_end() {
    let server = Server::start(&[]);
    server.publish_all("a", ["1".to_owned(), "2".to_owned()]);
    finish(&server, "a", r#"{"data":"end"}"#);
    for (query, due) in [
        ("", &[][..]),
        ("&since=0", &["1", "2"]),
        ("&last=2", &["2"]),
        ("&last=1", &[]),
    ] {
        let stream = server.subscribe(&format!("/events?topic=a{query}"));
        let due = due.iter().map(|data| named("", data));
        let due: Vec<_> = due.chain([named("finished", "end")]).collect();
        assert_eq!(rest(stream), due, "{query}");
    }
}

#[test]
fn the_last_events_and_the_end_can_be_published_in_one_step_and_copied() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events?topic=a&topic=b");
    stream.until("connected");
    let last = r#"[{"topic":"a","data":"100 %"},{"topics":["a","b"],"finish":true}]"#;
    assert_eq!(server.post("/events", "application/json", last).status, 200);
    assert_eq!(stream.event().unwrap().data, "100 %");
    stream.until("finished");
    assert_eq!(rest(stream), []);
    let page = server.request(
        "GET /events?topic=a&last=1 HTTP/1.1\nAccept: application/x-ndjson",
        b"",
    );
    let line = page.text();
    let event: serde_json::Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&event["finish"], &event["event"]),
        (&true.into(), &"finished".into())
    );
    let other = Server::start(&[]);
    let url = format!("http://{}", other.address);
    let mut copy = command(&["publish", "--json", "--url", &url]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{event}\n")).unwrap();
    copy.stdin(file.reopen().unwrap());
    let output = copy.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let copied = other.subscribe("/events?topic=b");
    assert_eq!(rest(copied), [named("finished", "")]);
    for (body, code) in [
        (r#"{"finish":true,"event":"x"}"#, "reserved_event"),
        (r#"{"finish":1}"#, "wrong_type"),
        (r#"{"finish":false}"#, "no_data"),
    ] {
        assert_eq!(
            server.post("/events", "application/json", body).code(),
            code,
            "{body}"
        );
    }
    let by_query = server.post("/events?topic=q&finish=1", "text/plain", "bye");
    assert_eq!(by_query.status, 200);
    assert_eq!(
        server.subscribe("/events?topic=q").until("finished").data,
        "bye"
    );
}

#[test]
fn a_later_event_begins_a_finished_topic_anew() {
    let server = Server::start(&[]);
    let id = finish(&server, "a%2Fb", "");
    server.publish("a/b", "again");
    let path = "/events?topic=a/b";
    let mut stream = server.subscribe_with(path, &format!("Last-Event-ID: {id}"));
    assert_eq!(stream.event().unwrap().data, "again");
    let mut live = server.subscribe(path);
    live.until("connected");
    server.publish("a/b", "and again");
    assert_eq!(stream.event().unwrap().data, "and again");
    assert_eq!(live.event().unwrap().data, "and again");
}

#[test]
fn finishing_needs_the_right_to_publish_and_takes_one_event_without_topic_or_name() {
    let server = Server::start(&["--publish-key", KEY]);
    let request = |head: &str, body: &str| {
        let head = format!("{head}\nAuthorization: Bearer {KEY}");
        server.request(&head, body.as_bytes())
    };
    let without_key = server.request("POST /topics/a/finish HTTP/1.1", b"");
    assert_eq!(without_key.code(), "key_missing");
    let json = "POST /topics/a/finish HTTP/1.1\nContent-Type: application/json";
    for (body, code) in [
        (r#"{"topic":"b"}"#, "duplicate_field"),
        (r#"{"event":"b"}"#, "duplicate_field"),
        (r#"{"private":true}"#, "private_events_disabled"),
        (r#"{"dta":"b"}"#, "unknown_field"),
        ("[{},{}]", "too_large"),
    ] {
        assert_eq!(request(json, body).code(), code, "{body}");
    }
    let lines = "POST /topics/a/finish HTTP/1.1\nContent-Type: application/x-ndjson";
    assert_eq!(request(lines, "{}\n").status, 415);
    for (path, code) in [
        ("$signal/x", "reserved_topic"),
        ("%FF", "invalid_utf8"),
        ("*", "invalid_topic"),
    ] {
        let head = format!("POST /topics/{path}/finish HTTP/1.1");
        assert_eq!(request(&head, "").code(), code, "{path}");
    }
    let get = request("GET /topics/a/finish HTTP/1.1", "");
    assert_eq!(
        (get.status, get.header("allow")),
        (405, Some("POST, OPTIONS"))
    );
    assert_eq!(request("POST /topics//finish HTTP/1.1", "").status, 405);
    assert_eq!(request("POST /topics/a HTTP/1.1", "").status, 405);
    let named = request("POST /events?event=finished HTTP/1.1", "x");
    assert_eq!(named.code(), "reserved_event");
    let keyed = "POST /topics/a/finish?id=once HTTP/1.1";
    assert_eq!(
        request(keyed, "").json(),
        request(keyed, "").json(),
        "a repeat"
    );
    let text = request(
        "POST /topics/t/finish HTTP/1.1\nContent-Type: text/plain",
        "bye",
    );
    assert_eq!(text.status, 200);
    assert_eq!(
        server.subscribe("/events?topic=t").until("finished").data,
        "bye"
    );
}

#[test]
fn a_topic_stays_finished_over_a_restart_of_a_log_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let start = || {
        let mut command = command(&["--listen", "127.0.0.1:0", "--data-dir"]);
        command.arg(directory.path().join("log"));
        Server::spawn(command)
    };
    let server = start();
    server.publish("a", "1");
    let id = finish(&server, "a", "");
    drop(server);
    let server = start();
    assert_eq!(with_id(&server, "/events?topic=a", &id), 204);
    let late = server.subscribe("/events?topic=a&since=0");
    assert_eq!(rest(late), [named("", "1"), named("finished", "")]);
}

#[test]
fn a_topic_that_one_node_finishes_ends_the_streams_of_all_nodes_on_redis() {
    let redis = RedisServer::start();
    let [one, other] = [(); 2].map(|()| node(redis.address(), &[]));
    let mut stream = other.subscribe("/events?topic=a");
    stream.until("connected");
    let id = finish(&one, "a", "");
    assert_eq!(stream.until("finished").id, id);
    assert_eq!(rest(stream), []);
    assert_eq!(with_id(&other, "/events?topic=a", &id), 204);
}

#[test]
fn a_websocket_of_finished_topics_is_closed_with_1000() {
    let server = Server::start(&[]);
    let mut socket = Socket::open(&server, "/ws?topic=a");
    socket.until("connected");
    finish(&server, "a", r#"{"data":"bye"}"#);
    let event = socket.event();
    assert_eq!(
        (&event["event"], &event["data"]),
        (&"finished".into(), &"bye".into())
    );
    let End::Close(1000, reason) = socket.end() else {
        panic!("another end");
    };
    assert!(reason.contains("all topics are finished"), "{reason}");
}

#[test]
fn the_command_subscribe_ends_with_its_topics() {
    let server = Server::start(&[]);
    server.publish("a", "1");
    let finished = finish(&server, "a", r#"{"data":"bye"}"#);
    let url = format!("http://{}", server.address);
    let subscribe = |args: &[&str]| {
        let mut command: Command = command(&["subscribe", "--url", &url, "--topic", "a"]);
        let output = command.args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(subscribe(&["--since", "earliest"]), "1\nbye\n");
    assert_eq!(subscribe(&["--since", &finished]), "");
}
