//! Connections that break in the middle of a large event, and clients that store the `id:` when they
//! read its line, before the event is dispatched. Datastar, fetch-event-source, npm's eventsource and
//! Go's r3labs/sse are such.

use serde_json::json;

use crate::support::Server;

const EVENT_BYTES: usize = 100_000;
const EVENTS: usize = 12;
/// Published behind them, so that every connection has as much to read as arrives.
const MORE: usize = 3;
/// How much of each connection's stream arrives, in turn: less than one event, and more than one.
const ARRIVES: [usize; 7] = [
    60,
    EVENT_BYTES / 2,
    EVENT_BYTES + 500,
    EVENT_BYTES * 3 / 2,
    1_000,
    EVENT_BYTES * 2 + EVENT_BYTES / 3,
    EVENT_BYTES,
];
/// More connections than it takes.
const MAX_CONNECTIONS: usize = 60;

/// Keeps the id as of the last whole line, whether its event was dispatched or not.
#[derive(Default)]
struct LineByLine {
    id: String,
    dispatched: Vec<String>,
}

impl LineByLine {
    fn read(&mut self, text: &str) {
        let (mut name, mut data) = ("", Vec::new());
        for line in text
            .split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'))
        {
            match line.split_once(": ").unwrap_or((line, "")) {
                ("id", id) => id.clone_into(&mut self.id),
                ("event", value) => name = value,
                ("data", value) => data.push(value),
                ("", _) if line.is_empty() => {
                    if !["connected", "gap", "position"].contains(&name) {
                        self.dispatched.push(data.concat());
                    }
                    (name, data) = ("", Vec::new());
                }
                _ => {}
            }
        }
    }
}

/// A large event of many lines that begins with its number.
fn large(number: usize) -> String {
    let line = format!("{number:03}{}\n", "~".repeat(EVENT_BYTES / 50));
    line.repeat(EVENT_BYTES / line.len())
}

fn last_id(id: &str) -> String {
    format!("Last-Event-ID: {id}")
}

/// Reads `path` over connections that break again and again, until `count` events were dispatched.
fn read_with_cuts(server: &Server, path: &str, first_id: &str, count: usize) -> Vec<String> {
    let mut client = LineByLine {
        id: first_id.to_owned(),
        ..LineByLine::default()
    };
    for arrives in ARRIVES.iter().cycle().take(MAX_CONNECTIONS) {
        let mut stream = server.subscribe_with(path, &last_id(&client.id));
        client.read(&stream.take_bytes(*arrives));
        if client.dispatched.len() >= count {
            break;
        }
    }
    client.dispatched.truncate(count);
    client.dispatched
}

#[test]
fn an_event_that_a_cut_ends_in_the_middle_is_sent_again_to_a_client_that_stores_the_id_at_its_line()
{
    let server = Server::start(&[]);
    let first_id = server.publish("a", "before");
    for number in 0..EVENTS + MORE {
        let body = json!({"topic": "a", "event": "large", "retry": 5, "data": large(number)});
        let response = server.post("/events", "application/json", &body.to_string());
        assert_eq!(response.status, 200);
    }
    for format in ["sse", "json"] {
        let path = format!("/events?topic=a&format={format}");
        let events = read_with_cuts(&server, &path, &first_id, EVENTS);
        let numbers: Vec<_> = events.iter().map(|data| number_in(data)).collect();
        assert_eq!(numbers, (0..EVENTS).collect::<Vec<_>>(), "{format}");
    }
}

/// The number of the event, behind whatever else its format puts before the data.
fn number_in(data: &str) -> usize {
    let at = data.find("~~").expect("a large event");
    data[at - 3..at].parse().expect("its number")
}

#[test]
fn the_id_is_the_last_field_of_each_block_in_every_format() {
    let server = Server::start(&["--history-events", "16"]);
    let put = |value: u64| {
        let body = json!({"value": value, "gone": {"x": value}}).to_string();
        let head = "PUT /signals/counter HTTP/1.1\nContent-Type: application/json";
        let response = server.request(head, body.as_bytes());
        assert!(matches!(response.status, 200 | 201), "{response:?}");
    };
    put(0);
    let paths = [
        "/events?topic=a",
        "/events?topic=a&format=json",
        "/signals?name=counter",
        "/signals?name=counter&format=event",
        "/signals?name=counter&format=datastar",
    ];
    let mut streams = paths.map(|path| server.subscribe_with(path, &last_id("unknown")));
    for stream in &mut streams {
        assert!(stream.peek("event: connected\n").contains("retry: "));
    }
    put(1);
    server.publish("a", "two\nlines");
    for (stream, path) in streams.iter_mut().zip(paths) {
        let text = stream.text_until("event: connected\n")
            + &stream.text_until("\n\n")
            + &stream.text_until("\n\n");
        let blocks: Vec<_> = text
            .split_terminator("\n\n")
            .filter(|block| block.contains("id: "))
            .collect();
        assert!(blocks.len() >= 2, "{path}: {text}");
        for block in blocks {
            assert_eq!(block.matches("\nid: ").count(), 1, "{path}: {block}");
            assert!(
                block.lines().next_back().unwrap().starts_with("id: "),
                "{path}: {block}"
            );
        }
    }
}
