//! Who is on a topic, by the real binary: counts, lists, events, signals, on every path of a stream.

mod bounds;
pub mod nodes;
mod webhooks;

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{
    PATIENCE, Server, Stream,
    tokens::{SECRET, bearer, token},
};

/// A server with presence of `room` and `rooms/{id}`.
fn start(args: &[&str]) -> Server {
    let presence = ["--presence", "room", "--presence", "rooms/{id}"];
    let presence = [&presence[..], &["--token-key", SECRET], args].concat();
    Server::start(&presence)
}

/// The header with a token of this user, who sees the presence of all topics.
fn user(name: &str) -> String {
    let data = json!({ "name": name.to_uppercase() });
    let grants = json!({ "subscribe": ["*"], "presence": ["*"], "payload": data });
    bearer(&token(&json!({ "sub": name, "sse": grants })))
}

/// A stream of this user; without one for `""`.
fn open(server: &Server, path: &str, name: &str) -> Stream {
    if name.is_empty() {
        return server.subscribe(path);
    }
    server.subscribe_with(path, &user(name))
}

fn presence(server: &Server, query: &str) -> Value {
    let head = format!("GET /presence?{query} HTTP/1.1\n{}", user("observer"));
    serde_json::from_str(&server.request(&head, b"").text()).unwrap()
}

/// Waits until a topic has this many users and connections.
fn wait_for(server: &Server, topic: &str, users: u64, connections: u64) {
    let expected = json!({ "topic": topic, "users": users, "connections": connections });
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = presence(server, &format!("topic={topic}"));
        if found == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{found} is not {expected}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Reads the stream of the signal with the counts up to zero connections, which a change sets by themselves or with the
/// document.
pub(crate) fn until_nobody(page: &mut Stream) {
    loop {
        let change = page.event().expect("a change");
        assert_ne!(change.name, "deleted", "the signal ended");
        let of_member = change.data.contains(r#""path":"/connections","value":0"#);
        if of_member || change.data.contains(r#""connections":0"#) {
            return;
        }
    }
}

/// The name and the data of the next event.
fn next(stream: &mut Stream) -> (String, Value) {
    let event = stream.event().expect("an event");
    (event.name, serde_json::from_str(&event.data).unwrap())
}

fn change(name: &str, user: &str, users: u64) -> (String, Value) {
    let data = json!({ "name": user.to_uppercase() });
    let change = json!({ "user": user, "data": data, "users": users });
    (name.to_owned(), change)
}

const GRACE: [&str; 2] = ["--presence-grace", "300ms"];

#[test]
fn users_join_on_every_path_of_a_stream_and_leave_with_their_last_connection() {
    for path in [&[][..], &["--no-direct"]] {
        let server = start(&[&GRACE[..], path].concat());
        let mut events = open(&server, "/events?topic=$presence/room", "observer");
        events.until("connected");
        let anna = open(&server, "/events?topic=room&topic=other", "anna");
        assert_eq!(next(&mut events), change("join", "anna", 1));
        let again = open(&server, "/events?topic=room", "anna");
        let anonymous = open(&server, "/events?topic=room", "");
        wait_for(&server, "room", 1, 3);
        let _all = open(&server, "/events?topic=*", "ben");
        let _signals = open(&server, "/signals?name=room", "ben");
        drop((again, anonymous));
        wait_for(&server, "room", 1, 1);
        drop(anna);
        let ended = Instant::now();
        assert_eq!(next(&mut events), change("leave", "anna", 0));
        assert!(ended.elapsed() >= Duration::from_millis(250));
        wait_for(&server, "room", 0, 0);
    }
}

#[test]
fn a_web_socket_joins_too() {
    let server = start(&GRACE);
    let mut socket = server.connect();
    let head = "GET /ws?topic=room HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let request = format!("{head}{}\r\n\r\n", user("anna"));
    socket.write_all(request.as_bytes()).unwrap();
    wait_for(&server, "room", 1, 1);
    drop(socket);
    wait_for(&server, "room", 0, 0);
}

#[test]
fn a_hundred_reloads_and_the_end_of_one_of_two_tabs_show_nothing() {
    let server = start(&["--presence-grace", "2s"]);
    let mut events = open(&server, "/events?topic=$presence/rooms/1", "observer");
    events.until("connected");
    let mut tab = open(&server, "/events?topic=rooms/1", "anna");
    assert_eq!(next(&mut events), change("join", "anna", 1));
    for _ in 0..100 {
        drop(tab);
        tab = open(&server, "/events?topic=rooms/1", "anna");
    }
    let other = open(&server, "/events?topic=rooms/1", "anna");
    wait_for(&server, "rooms/1", 1, 2);
    drop(tab);
    wait_for(&server, "rooms/1", 1, 1);
    let _ben = open(&server, "/events?topic=rooms/1", "ben");
    assert_eq!(next(&mut events), change("join", "ben", 2));
    drop(other);
    assert_eq!(next(&mut events), change("leave", "anna", 1));
}

#[test]
fn a_page_shows_the_counts_by_the_signal_of_the_topic_and_zeros_until_somebody_comes_again() {
    let server = start(&GRACE);
    let mut page = open(&server, "/signals?name=$presence/room&format=event", "");
    let streams = ["anna", "anna", "ben", ""].map(|name| open(&server, "/events?topic=room", name));
    let counts = |page: &mut Stream, expected: &str| {
        while !page.event().expect("a change").data.contains(expected) {}
    };
    counts(&mut page, r#""users":2"#);
    wait_for(&server, "room", 2, 4);
    drop(streams);
    until_nobody(&mut page);
    let _again = open(&server, "/events?topic=room", "anna");
    // By itself or with the document.
    let change = page.event().expect("a change").data;
    assert!(
        change.contains(r#""connections":1"#) || change.contains(r#""/connections","value":1"#),
        "{change}"
    );
}

#[test]
fn a_list_is_paged_and_those_who_were_there_before_a_crash_are_announced_as_gone() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = ["--data-dir", directory.path().to_str().unwrap()];
    let server = start(&data_dir);
    let streams = ["anna", "ben", "clara"].map(|name| open(&server, "/events?topic=room", name));
    wait_for(&server, "room", 3, 3);
    let listed = |name: &str| json!({ "user": name, "data": { "name": name.to_uppercase() } });
    let page = presence(&server, "topic=room&list=true&limit=2");
    assert_eq!(page["members"], json!([listed("anna"), listed("ben")]));
    assert_eq!(page["more"], true);
    let page = presence(&server, "topic=room&list=true&after=ben");
    assert_eq!(page["members"], json!([listed("clara")]));
    // The counts are kept as a signal, which names the topic after the crash.
    let deadline = Instant::now() + PATIENCE;
    while server.get("/signals/$presence%2Froom").status != 200 {
        assert!(Instant::now() < deadline);
    }
    server.signal("-KILL");
    drop((streams, server));

    let server = start(&data_dir);
    wait_for(&server, "room", 0, 0);
    let events = "/events?topic=$presence/room&since=earliest";
    let mut events = open(&server, events, "observer");
    let mut seen = Vec::new();
    while seen.last().is_none_or(|(name, _)| name != "reset") {
        seen.push(next(&mut events));
    }
    let names: Vec<&str> = seen.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["join", "join", "join", "reset"]);
    let deadline = Instant::now() + PATIENCE;
    let zeros = r#"{"connections":0,"users":0}"#;
    while server.get("/signals/$presence%2Froom").text() != zeros {
        assert!(Instant::now() < deadline);
    }
}

#[test]
fn a_position_does_not_tell_who_may_not_see_presence_that_somebody_has_joined() {
    let server = start(&GRACE);
    let mut observer = open(&server, "/events?topic=$presence/room", "observer");
    let _anna = open(&server, "/events?topic=room", "anna");
    let joined = observer.event().expect("a join").id;
    let mut stream = server.subscribe("/events?topic=news");
    let position = stream.until("connected").id;
    assert_ne!(position, joined);
    // The counts of the topic are public: their change may have been published already.
    let counts = "/events?topic=$signal/$presence/room&last=1";
    if !position.starts_with("p-") {
        assert_eq!(
            server.subscribe(counts).event().expect("a signal").id,
            position
        );
    }
}
