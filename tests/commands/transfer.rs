//! What one server holds, carried over into another by the commands, from any history into any.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    redis::RedisServer,
    running::{Running, run},
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
    let plain = |own_id: Option<String>, data: &str| json!({ "topics": ["many"], "event": null, "own_id": own_id, "data": data, "retry": null });
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
    let answer = server.post("/events", "application/x-ndjson", &lines);
    assert_eq!(answer.json()["count"], events.len(), "{answer:?}");
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
    assert!(
        said[0].starts_with(&format!("published {} events, ", dump.len())),
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
fn what_is_in_memory_is_carried_into_any_history_and_what_has_an_own_id_only_once() {
    is_carried_into_each(Kept::InMemory);
}

#[test]
fn what_is_on_disk_is_carried_into_any_history_and_what_has_an_own_id_only_once() {
    is_carried_into_each(Kept::on_disk());
}

#[test]
fn what_is_in_redis_is_carried_into_any_history_and_what_has_an_own_id_only_once() {
    is_carried_into_each(Kept::in_redis());
}
