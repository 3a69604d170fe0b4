//! The last event of a topic: new subscribers are sent it first, whatever history still holds.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};

use crate::support::{
    Message, Server, Stream, command,
    socket::Socket,
    tokens::{SECRET, bearer, token},
};

const RULE: [&str; 2] = ["--topic-rule", "prices/{symbol}=latest"];
/// The least that history may hold.
const SMALL: [&str; 4] = [
    "--topic-rule",
    "prices/{symbol}=latest",
    "--history-events",
    "16",
];

fn publish(server: &Server, event: &Value) -> String {
    let response = server.post("/events", "application/json", &event.to_string());
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["id"].as_str().expect("an id").to_owned()
}

/// Has history drop everything that was published before.
fn push_out(server: &Server) {
    for n in 0..16 {
        server.publish("other", &n.to_string());
    }
}

/// What comes up to `connected`, and that itself.
fn opening(stream: &mut Stream) -> (Vec<Message>, Message) {
    let mut before = Vec::new();
    loop {
        let message = stream.next().expect("connected");
        if message.name == "connected" {
            return (before, message);
        }
        before.push(message);
    }
}

fn data(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| &message.data[..]).collect()
}

/// The time and the number of an id.
fn parts(id: &str) -> (u64, u64) {
    let (ms, sequence) = id.split_once('-').expect("an id");
    (ms.parse().expect("an id"), sequence.parse().expect("an id"))
}

fn are_ascending<'a>(ids: impl Iterator<Item = &'a str>) -> bool {
    ids.map(parts).is_sorted_by(|one, other| one < other)
}

#[test]
fn a_new_subscriber_is_sent_the_last_event_of_its_topic_and_then_what_follows() {
    let server = Server::start(&RULE);
    server.publish("prices/a", "1");
    let named = json!({ "topic": "prices/a", "data": "two\nlines", "event": "changed" });
    let id = publish(&server, &named);
    let head = server.publish("other", "x");
    let mut stream = server.subscribe("/events?topic=prices/a");
    let first = stream.next().unwrap();
    assert_eq!(
        (&first.name[..], &first.data[..], &first.id),
        ("changed", "two\nlines", &id)
    );
    let connected = stream.next().unwrap();
    assert_eq!((&connected.name[..], &connected.id), ("connected", &head));
    server.publish("prices/a", "3");
    assert_eq!(stream.data(1), ["3"]);
    for path in ["/events?topic=other", "/events?topic=prices/none"] {
        assert_eq!(opening(&mut server.subscribe(path)).0, [], "{path}");
    }
}

#[test]
fn the_last_event_outlives_what_history_keeps() {
    let server = Server::start(&SMALL);
    let id = server.publish("prices/a", "kept");
    push_out(&server);
    let (latest, connected) = opening(&mut server.subscribe("/events?topic=prices/a"));
    assert_eq!(data(&latest), ["kept"]);
    assert_eq!(latest[0].id, id);
    assert!(parts(&connected.id) > parts(&id));
    let page = server.request(
        "GET /events?topic=prices/a&last=1 HTTP/1.1\nAccept: application/json",
        b"",
    );
    assert_eq!(page.json()["events"], json!([]), "a page has history alone");
}

#[test]
fn the_last_events_of_all_topics_come_in_the_order_of_their_ids_and_each_once() {
    let server = Server::start(&SMALL);
    let topics: Vec<_> = (0..30).map(|n| format!("prices/{n}")).collect();
    for round in ["old", "new"] {
        for topic in topics.iter().rev() {
            server.publish(topic, &format!("{round} {topic}"));
        }
    }
    publish(
        &server,
        &json!({ "topics": ["prices/3", "prices/5", "b"], "data": "of two" }),
    );
    push_out(&server);
    let mut expected: Vec<_> = topics
        .iter()
        .rev()
        .filter(|topic| !["prices/3", "prices/5"].contains(&&topic[..]))
        .map(|topic| format!("new {topic}"))
        .collect();
    expected.push("of two".to_owned());
    let named = format!("/events?topic={}", topics.join("&topic="));
    for path in ["/events?topic=*", &named] {
        let (latest, _) = opening(&mut server.subscribe(path));
        assert_eq!(data(&latest), expected, "{path}");
        assert!(are_ascending(latest.iter().map(|message| &message.id[..])));
    }
}

#[test]
fn last_events_larger_than_a_part_come_whole_and_in_order() {
    let server = Server::start(&RULE);
    let large: Vec<_> = (0..5).map(|n| n.to_string().repeat(200_000)).collect();
    for (n, data) in large.iter().enumerate() {
        server.publish(&format!("prices/{n}"), data);
    }
    let (latest, _) = opening(&mut server.subscribe("/events?topic=*"));
    assert!(data(&latest) == large, "{} came", latest.len());
}

#[test]
fn a_private_last_event_is_for_those_who_have_a_grant() {
    let access = [
        "--subscribe-access",
        "private-events",
        "--token-key",
        SECRET,
    ];
    let server = Server::start(&[&RULE[..], &access, &["--allow-anonymous-publish"]].concat());
    publish(
        &server,
        &json!({ "topic": "prices/a", "data": "secret", "private": true }),
    );
    server.publish("prices/b", "public");
    let reader = |topics: &[&str]| bearer(&token(&json!({ "sse": { "subscribe": topics } })));
    for path in ["/events?topic=*", "/events?topic=prices/a&topic=prices/b"] {
        let (latest, _) = opening(&mut server.subscribe(path));
        assert_eq!(data(&latest), ["public"]);
        let mut granted = server.subscribe_with(path, &reader(&["prices/a"]));
        assert_eq!(data(&opening(&mut granted).0), ["secret", "public"]);
        let mut other = server.subscribe_with(path, &reader(&["prices/b"]));
        assert_eq!(data(&opening(&mut other).0), ["public"]);
    }
}

#[test]
fn other_formats_have_the_last_event_first_as_well() {
    let server = Server::start(&SMALL);
    let id = server.publish("prices/a", "kept");
    push_out(&server);
    let (latest, _) = opening(&mut server.subscribe("/events?topic=prices/a&format=json"));
    let event: Value = serde_json::from_str(&latest[0].data).unwrap();
    assert_eq!(
        (&event["id"], &event["topics"], &event["data"]),
        (&json!(id), &json!(["prices/a"]), &json!("kept"))
    );
    let mut socket = Socket::open(&server, "/ws?topic=prices/a");
    assert_eq!(socket.next()["data"], "kept");
    assert_eq!(socket.next()["type"], "connected");
    let mut resumed = Socket::open(&server, "/ws?topic=prices/a&last_event_id=1-1");
    let gap = resumed.next();
    assert_eq!((&gap["type"], &gap["id"]), (&json!("gap"), &Value::Null));
    assert_eq!(resumed.next()["data"], "kept");
    assert_eq!(resumed.next()["type"], "connected");
}

#[test]
fn a_resume_without_a_gap_is_sent_nothing_else() {
    let server = Server::start(&RULE);
    let first = server.publish("prices/a", "1");
    server.publish("prices/a", "2");
    let last = server.publish("prices/b", "x");
    for (start, expected) in [
        (format!("last_event_id={first}"), &["2"][..]),
        (format!("last_event_id={last}"), &[]),
        ("since=earliest".to_owned(), &["1", "2"]),
        ("last=1".to_owned(), &["2"]),
    ] {
        let mut stream = server.subscribe(&format!("/events?topic=prices/a&{start}"));
        assert_eq!(opening(&mut stream).0, [], "{start}");
        assert_eq!(stream.data(expected.len()), expected, "{start}");
    }
}

#[test]
fn behind_a_gap_come_the_last_events_that_the_client_does_not_have() {
    let server = Server::start(&SMALL);
    server.publish("prices/old", "the client has it");
    let client_at = server.publish("prices/a", "1");
    for data in ["lost", "kept"] {
        server.publish("prices/a", data);
    }
    push_out(&server);
    server.publish("prices/b", "replayed");
    let resume = format!("/events?topic=*&last_event_id={client_at}");
    let mut stream = server.subscribe(&resume);
    stream.last_id.clone_from(&client_at);
    let (before, connected) = opening(&mut stream);
    let [gap, kept] = &before[..] else {
        panic!("{before:?}");
    };
    assert_eq!((&gap.name[..], &gap.id), ("gap", &client_at));
    assert_eq!(kept.data, "kept");
    assert!(parts(&kept.id) < parts(&connected.id));
    let replayed = stream.data(16);
    assert_eq!(replayed[15], "replayed");
    server.publish("prices/a", "live");
    assert_eq!(stream.data(1), ["live"]);
}

#[test]
fn a_client_that_is_cut_between_two_last_events_goes_on_where_it_was() {
    let server = Server::start(&SMALL);
    for n in 0..6 {
        server.publish(&format!("prices/{n}"), &n.to_string());
    }
    push_out(&server);
    // Still in history, as the head is.
    server.publish("prices/6", "6");
    let resume =
        |id: &str| server.subscribe_with("/events?topic=*", &format!("Last-Event-ID: {id}"));
    for start in ["", "1-1"] {
        let (sent, _) = opening(&mut resume(start));
        let events: Vec<_> = sent.iter().filter(|sent| sent.name.is_empty()).collect();
        for (n, cut_behind) in events.iter().enumerate() {
            let mut stream = resume(&cut_behind.id);
            let (rest, connected) = opening(&mut stream);
            let rest: Vec<_> = rest
                .into_iter()
                .filter(|sent| sent.name.is_empty())
                .collect();
            let mut got: Vec<_> = events[..=n].iter().map(|sent| sent.data.clone()).collect();
            got.extend(rest.iter().map(|sent| sent.data.clone()));
            server.publish("prices/end", "end");
            while got.last().is_none_or(|data| data != "end") {
                got.extend(stream.data(1));
            }
            let mut prices = ["0", "1", "2", "3", "4", "5", "6"].iter();
            for price in prices.by_ref() {
                let count = got.iter().filter(|data| data == price).count();
                assert!(
                    count >= 1,
                    "{price} is missing behind {n} of {start:?}: {got:?}"
                );
            }
            assert!(!connected.id.is_empty());
        }
    }
}

#[test]
fn a_repeat_of_an_old_event_does_not_bring_it_back() {
    let server = Server::start(&RULE);
    let old = json!({ "topic": "prices/a", "data": "old", "id": "price-1" });
    let id = publish(&server, &old);
    server.publish("prices/a", "new");
    assert_eq!(publish(&server, &old), id);
    let (latest, _) = opening(&mut server.subscribe("/events?topic=prices/a"));
    assert_eq!(data(&latest), ["new"]);
}

#[test]
fn nothing_is_lost_or_repeated_while_publishers_go_on() {
    const TOPICS: usize = 3;
    const OPENINGS: usize = 40;
    let server = Server::start(&["--topic-rule", "*=latest", "--history-events", "500"]);
    let (server, is_over) = (&server, &AtomicBool::new(false));
    for topic in 0..TOPICS {
        server.publish(&format!("t{topic}"), &format!("{topic} 0"));
    }
    std::thread::scope(|scope| {
        for topic in 0..TOPICS {
            scope.spawn(move || {
                for n in (1..).take_while(|_| !is_over.load(Ordering::Relaxed)) {
                    server.publish(&format!("t{topic}"), &format!("{topic} {n}"));
                }
            });
        }
        let _end = End(is_over);
        for opening in 0..OPENINGS {
            let path = ["/events?topic=*", "/events?topic=t0&topic=t1&topic=t2"][opening % 2];
            read_some(&mut server.subscribe(path), TOPICS);
        }
    });
}

/// Ends the publishers, also where the test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Each topic has to begin with its last event, and to go on without a hole.
fn read_some(stream: &mut Stream, topics: usize) {
    let mut last: HashMap<String, u64> = HashMap::new();
    let (mut ids, mut read) = (Vec::new(), 0);
    let mut is_connected = false;
    while read < 30 {
        let message = stream.next().expect("an event");
        match &message.name[..] {
            "connected" => is_connected = true,
            "" => {
                let (topic, n) = message.data.split_once(' ').expect("a topic and a number");
                let n = n.parse().expect("a number");
                let before = last.insert(topic.to_owned(), n);
                // One whose last event was overtaken while the stream began has what overtook it behind `connected`.
                assert!(
                    before.is_none_or(|before| is_connected && before == n - 1),
                    "{message:?}"
                );
                ids.push(message.id);
                read += usize::from(is_connected);
            }
            other => panic!("{other}: {message:?}"),
        }
    }
    assert!(are_ascending(ids.iter().map(String::as_str)), "{ids:?}");
    assert_eq!(last.len(), topics);
}

#[test]
fn an_event_that_is_published_while_a_stream_begins_comes_once() {
    const ROUNDS: usize = 100;
    let server = &Server::start(&RULE);
    server.publish("prices/a", "0");
    for round in 1..=ROUNDS {
        let mut stream = std::thread::scope(|scope| {
            scope.spawn(|| server.publish("prices/a", &round.to_string()));
            server.subscribe("/events?topic=prices/a&topic=end")
        });
        server.publish("end", "end");
        let mut got = stream.data(2);
        if got[1] != "end" {
            got.extend(stream.data(1));
        }
        let (before, now) = ((round - 1).to_string(), round.to_string());
        let whole = [&before[..], &now, "end"];
        assert!(got == whole || got == whole[1..], "{round}: {got:?}");
    }
}

#[test]
fn last_events_are_there_after_a_restart_with_a_log_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let start = || {
        let mut command = command(&["--listen", "127.0.0.1:0", "--data-dir"]);
        command.arg(&path).args(SMALL);
        Server::spawn(command)
    };
    let server = start();
    server.publish("prices/a", "old");
    let id = server.publish("prices/a", "kept");
    push_out(&server);
    drop(server);
    let server = start();
    let (latest, _) = opening(&mut server.subscribe("/events?topic=*"));
    assert_eq!(data(&latest), ["kept"]);
    assert_eq!(latest[0].id, id);
    // A rule that is gone has no effect on what it kept.
    drop(server);
    let mut command = command(&["--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(&path);
    let server = Server::spawn(command);
    assert_eq!(opening(&mut server.subscribe("/events?topic=*")).0, []);
}

#[test]
fn signals_are_listed_without_last_events() {
    let server = Server::start(&RULE);
    server.publish("prices/a", "1");
    let set = "PUT /signals/counter HTTP/1.1\nContent-Type: application/json";
    assert_eq!(server.request(set, b"1").status, 201);
    let listed = server.get("/signals").json();
    assert_eq!(listed["signals"].as_array().unwrap().len(), 1, "{listed}");
    let listed = server.get("/topics").json();
    assert_eq!(listed["topics"].as_array().unwrap().len(), 1, "{listed}");
}

#[test]
fn a_rule_that_cannot_be_read_is_refused_with_what_would_be_right() {
    for (rule, reason) in [
        (
            "prices",
            "it has no =; write PATTERN=WHAT, with a list of events:N",
        ),
        ("prices=newest", "\"newest\" is none of events:N"),
        ("prices/{=latest", "prices/{"),
    ] {
        let command = command(&["--listen", "127.0.0.1:0", "--topic-rule", rule]);
        let log = Server::try_spawn(command).err().expect("a refusal");
        let sentence = format!("--topic-rule {rule}: ");
        assert!(log.contains(&sentence) && log.contains(reason), "{log}");
    }
    let many = vec!["--topic-rule=a=latest"; 101];
    let many = Server::try_spawn(command(&[&["--listen", "127.0.0.1:0"][..], &many].concat()));
    let log = many.err().expect("a refusal");
    assert!(log.contains("--topic-rule: at most 100 rules"), "{log}");
}
