//! Copying a server by the commands, from any history into any other.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    commands::running::{Running, run},
    support::redis::RedisServer,
    support::{Server, command},
};

/// Published as JSON, and text from then on.
const NUMBERS: &str = r#"{"n":[1.50,-0,12345678901234567890123,null]}"#;

/// As `subscribe --json` has them, but for what is the server's own.
const EVENTS: [&str; 9] = [
    r#"{"topics":["b","a","c/é d"],"event":"news","own_id":"mine","data":"a\nb","retry":70}"#,
    r#"{"topics":["default"],"event":null,"own_id":null,"data":"","retry":null}"#,
    r#"{"topics":["a"],"event":null,"own_id":"12-a","data":"\n","retry":0}"#,
    r#"{"topics":["a"],"event":"e","own_id":null,"data":"a\r\nb\rc\n\n d\r","retry":null}"#,
    r#"{"topics":["b"],"event":null,"own_id":null,"data":"id: 9-9\nevent: gap\n\nx","retry":null}"#,
    r#"{"topics":["b"],"event":null,"own_id":null,"data":"{\"own_id\":\"mine\"}","retry":null}"#,
    r#"{"topics":["a"],"event":null,"own_id":null,"data":"1.50","retry":86400000}"#,
    r#"{"topics":["a"],"event":null,"own_id":null,"data":"\"quoted\" \\","retry":null}"#,
    r#"{"topics":["a"],"event":"é","own_id":"😀","data":"\ufeff\u0000\u0085\u2028😀 \t","retry":1}"#,
];

enum Kept {
    InMemory,
    OnDisk(TempDir),
    InRedis(RedisServer),
}

/// A server, and what outlives it.
struct Node {
    server: Server,
    kept: Kept,
}

impl Kept {
    fn on_disk() -> Self {
        Self::OnDisk(tempfile::tempdir().unwrap())
    }

    fn in_redis() -> Self {
        Self::InRedis(RedisServer::start())
    }

    fn serve(&self) -> Server {
        let mut command = command(&["--listen", "127.0.0.1:0"]);
        match self {
            Self::InMemory => &mut command,
            Self::OnDisk(directory) => command.arg("--data-dir").arg(directory.path()),
            Self::InRedis(redis) => {
                command.args(["--redis-url", &format!("redis://{}/0", redis.address())])
            }
        };
        if !matches!(self, Self::InMemory) {
            // So that most is read from the log.
            command.args(["--window-events", "16"]);
        }
        Server::spawn(command)
    }
}

impl Node {
    fn start(kept: Kept) -> Self {
        let server = kept.serve();
        Self { server, kept }
    }

    /// The same with nothing in memory but what the log brings back, where there is one.
    fn reopened(mut self) -> Self {
        if !matches!(self.kept, Kept::InMemory) {
            self.server.signal("-TERM");
            assert!(self.server.wait().success());
            self.server = self.kept.serve();
        }
        self
    }
}

/// Those and more, so that they are taken and read in several steps.
pub fn events() -> Vec<Value> {
    let plain = |idempotency_key: Option<String>, data: &str| json!({ "topics": ["many"], "event": null, "own_id": idempotency_key, "data": data, "retry": null });
    let varied = EVENTS
        .iter()
        .map(|text| serde_json::from_str(text).unwrap());
    let long = "longer than a read \u{e9} ".repeat(10_000);
    let long = [
        plain(Some("order 7/\u{fc}".into()), NUMBERS),
        plain(None, &long),
    ];
    let many = (0..150).map(|n| plain((n % 3 == 0).then(|| format!("own {n}")), &n.to_string()));
    varied.chain(long).chain(many).collect()
}

pub fn publish(server: &Server, events: &[Value]) {
    let lines: Vec<_> = events.iter().map(Value::to_string).collect();
    let lines = lines.join("\n").replace(r#""own_id":"#, r#""id":"#);
    let lines = lines.replace(&json!(NUMBERS).to_string(), NUMBERS);
    let response = server.post("/events", "application/x-ndjson", &lines);
    assert_eq!(response.json()["count"], events.len(), "{response:?}");
}

pub fn dump(server: &Server) -> Vec<String> {
    let url = format!("http://{}", server.address);
    let all = [
        "--topic", "*", "--since", "earliest", "--until", "head", "--json",
    ];
    run(&[&["subscribe", "--url", &url], &all[..]].concat()).succeeded()
}

fn carry_into(server: &Server, dump: &[String]) {
    let url = format!("http://{}", server.address);
    let mut into = Running::start(&["publish", "--url", &url, "--json"]);
    into.write(&(dump.join("\n") + "\n"));
    let said = into.end().succeeded();
    let events = dump.iter().filter(|line| !is_signal(line)).count();
    assert!(
        said[0].starts_with(&format!("published {events} events, ")),
        "{said:?}"
    );
}

/// The ids, and the rest without the times.
pub fn taken_apart(dump: &[String]) -> (Vec<String>, Vec<Value>) {
    let apart = dump.iter().map(|line| {
        let mut event: Value = serde_json::from_str(line).unwrap();
        let members = event.as_object_mut().unwrap();
        assert!(members.remove("time").is_some());
        let id = members.remove("id").unwrap();
        (id.as_str().unwrap().to_owned(), event)
    });
    apart.unzip()
}

fn is_carried_into_each(from: Kept) {
    let events = events();
    let from = Node::start(from);
    publish(&from.server, &events);
    let from = from.reopened();
    let dumped = dump(&from.server);
    let (ids, found) = taken_apart(&dumped);
    assert_eq!(found, events);
    let own_less = events.iter().filter(|event| event["own_id"].is_null());
    let twice: Vec<_> = events.iter().chain(own_less).cloned().collect();
    for to in [Kept::InMemory, Kept::on_disk(), Kept::in_redis()] {
        let to = Node::start(to);
        carry_into(&to.server, &dumped);
        let to = to.reopened();
        let (new_ids, found) = taken_apart(&dump(&to.server));
        assert_eq!(found, events);
        assert!(new_ids.iter().all(|id| !ids.contains(id)));
        carry_into(&to.server, &dumped);
        let (same_ids, found) = taken_apart(&dump(&to.reopened().server));
        assert_eq!(found, twice);
        assert_eq!(same_ids[..ids.len()], new_ids);
    }
}

#[test]
fn a_history_in_memory_is_copied_into_any_other_and_idempotency_keys_are_stored_once() {
    is_carried_into_each(Kept::InMemory);
}

#[test]
fn a_history_on_disk_is_copied_into_any_other_and_idempotency_keys_are_stored_once() {
    is_carried_into_each(Kept::on_disk());
}

#[test]
fn a_history_in_redis_is_copied_into_any_other_and_idempotency_keys_are_stored_once() {
    is_carried_into_each(Kept::in_redis());
}

fn set_signal(server: &Server, path: &str, document: &str) {
    let head = format!("PUT /signals/{path} HTTP/1.1\nContent-Type: application/json");
    assert_eq!(server.request(&head, document.as_bytes()).status, 201);
}

fn is_signal(line: &str) -> bool {
    line.starts_with("{\"signal\":")
}

/// Events, and behind them signals.
fn dump_with_signals(server: &Server) -> (Vec<String>, Vec<String>) {
    let url = format!("http://{}", server.address);
    let all = ["--topic", "*", "--until", "head", "--json", "--signals"];
    let lines = run(&[&["subscribe", "--url", &url], &all[..]].concat()).succeeded();
    lines.into_iter().partition(|line| !is_signal(line))
}

#[test]
fn a_copy_with_signals_holds_every_document_after_the_events() {
    let from = Node::start(Kept::InMemory);
    publish(&from.server, &events());
    for (path, document) in [
        ("counter", r#"{"value":1}"#),
        (
            "a%2Fb%20%C3%A9%3F%23%25",
            r#"{"n":[1.5,-0.0,18446744073709551615,null],"s":"\u0000\"\n\u2028"}"#,
        ),
        ("empty", "{}"),
        ("removed", r#"{"gone":true}"#),
    ] {
        set_signal(&from.server, path, document);
    }
    let removed = from.server.request("DELETE /signals/removed HTTP/1.1", b"");
    assert_eq!(removed.status, 204);
    // More than one page of the list, set by the command itself, among events.
    let many = (0..1_100).map(|n| format!(r#"{{"signal":"many {n}","document":{{"n":{n}}}}}"#));
    let mut lines: Vec<_> = many.collect();
    lines.insert(500, r#"{"topic":"between","data":"signals"}"#.to_owned());
    let url = format!("http://{}", from.server.address);
    let mut into = Running::start(&["publish", "--url", &url, "--json"]);
    into.write(&(lines.join("\n") + "\n"));
    let printed = into.end().succeeded();
    assert!(
        printed[0].starts_with("published 1 event, ") && printed[0].ends_with("; set 1100 signals"),
        "{printed:?}"
    );

    let (events, signals) = dump_with_signals(&from.server);
    assert_eq!(signals.len(), 1_103);
    let to = Node::start(Kept::on_disk());
    carry_into(&to.server, &[&events[..], &signals].concat());
    let to = to.reopened();
    let (copied_events, copied_signals) = dump_with_signals(&to.server);
    assert_eq!(taken_apart(&copied_events).1, taken_apart(&events).1);
    assert_eq!(copied_signals, signals);
    for path in ["counter", "a%2Fb%20%C3%A9%3F%23%25", "empty", "many%201099"] {
        let path = format!("/signals/{path}");
        let [original, copy] = [&from, &to].map(|node| node.server.get(&path));
        assert_eq!((copy.status, copy.text()), (200, original.text()), "{path}");
    }
    assert_eq!(to.server.get("/signals/removed").status, 404);
}

#[test]
fn a_signal_that_the_server_rejects_ends_a_copy_with_the_number_of_its_line() {
    let server = Server::start(&[]);
    let url = format!("http://{}", server.address);
    let mut into = Running::start(&["publish", "--url", &url, "--json"]);
    into.write("{\"data\":1}\n{\"signal\":\"deleted\",\"document\":{}}\n{\"data\":2}\n");
    let complaints = into.end().failed(1);
    assert!(
        complaints.contains("invalid_signal")
            && complaints.contains("line 2 was not published")
            && complaints.contains("published 1 event, "),
        "{complaints}"
    );
    for args in [&["--signals"][..], &["--signals", "--json"]] {
        let args = [&["subscribe", "--url", &url], args].concat();
        assert!(run(&args).failed(2).contains("--"));
    }
}
