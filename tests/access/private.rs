//! Private events over real sockets: who is sent them, and who learns their ids.

use std::{collections::HashMap, time::Duration};

use fastrand::Rng;
use serde_json::{Value, json};
use sse_broadcaster_access::mint::{NewToken, SigningKey};

use super::publish;
use crate::support::{
    Server, Stream,
    socket::Socket,
    tokens::{Application, SECRET, bearer, token},
    wait_until,
};

const PRIVATE: [&str; 6] = [
    "--subscribe-access",
    "private-events",
    "--protected-topic",
    "staff",
    "--token-key",
    SECRET,
];
const TOPICS: [&str; 4] = ["a", "b", "users/17", "staff"];
const END: &str = "the end";

fn reader(topics: &[&str]) -> String {
    bearer(&token(&json!({ "sse": { "subscribe": topics } })))
}

/// A token that ends so soon.
fn short_lived(topics: &[&str], lifetime: Duration) -> String {
    let claims = json!({ "sse": { "subscribe": topics } });
    let new = NewToken::new(&claims).unwrap().lifetime(lifetime);
    bearer(&new.create(&SigningKey::parse(SECRET).unwrap()).unwrap())
}

/// What was published, in order.
struct Published {
    id: String,
    topic: &'static str,
    private: bool,
    data: String,
}

impl Published {
    fn may_be_read_by(&self, granted: &[&str]) -> bool {
        let needs_grant = self.private || self.topic == "staff";
        !needs_grant || granted.contains(&self.topic)
    }
}

fn publish_some(server: &Server, rng: &mut Rng, count: usize) -> Vec<Published> {
    let publish_one = |number: usize| {
        let topic = rng.choice(TOPICS).unwrap();
        let (private, data) = (rng.bool(), format!("event {number}"));
        let id = publish(
            server,
            &json!({ "topic": topic, "data": data, "private": private }),
        );
        Published {
            id,
            topic,
            private,
            data,
        }
    };
    (0..count).map(publish_one).collect()
}

/// Everything that a client is sent up to the last event, as text.
fn read(server: &Server, path: &str, lines: &str) -> String {
    if path.starts_with("/ws") {
        let lines: Vec<_> = lines.lines().collect();
        let mut socket = Socket::open_with(server, path, &lines);
        let mut text = String::new();
        while !text.contains(END) {
            text += &socket.text();
        }
        return text;
    }
    if path.ends_with("&page") {
        let head = format!("GET {path} HTTP/1.1\nAccept: application/json\n{lines}");
        let response = server.request(&head, b"");
        return response.head.clone() + &response.text();
    }
    let mut stream = server.subscribe_with(path, lines);
    let head = stream.head.clone();
    head + &stream.text_until(END)
}

#[test]
fn a_private_event_and_its_id_reach_only_clients_with_a_grant_on_every_path_live_and_replayed() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let server = Server::start(&PRIVATE);
    let clients: [&[&str]; 4] = [&[], &["users/17"], &["staff", "a"], &["*"]];
    // The streams are open, or read from history, or resume.
    let paths = [
        "/events?topic=*&since=earliest",
        "/events?topic=*&since=earliest&format=json",
        "/ws?topic=*&since=earliest",
        "/events?topic=*&since=earliest&page",
    ];
    std::thread::scope(|scope| {
        let (server, mut early) = (&server, Vec::new());
        for client in clients {
            let lines = if client.is_empty() {
                String::new()
            } else {
                reader(client)
            };
            for path in &paths[..3] {
                let lines = lines.clone();
                early.push((
                    client,
                    *path,
                    scope.spawn(move || read(server, path, &lines)),
                ));
            }
        }
        let mut all = publish_some(server, &mut rng, 300);
        let id = publish(server, &json!({ "topic": "a", "data": END }));
        all.push(Published {
            id,
            topic: "a",
            private: false,
            data: END.to_owned(),
        });
        let early = early
            .into_iter()
            .map(|(client, path, reading)| (client, path, reading.join().unwrap()));
        let mut read_texts: Vec<_> = early.collect();
        for client in clients {
            let lines = if client.is_empty() {
                String::new()
            } else {
                reader(client)
            };
            read_texts.extend(paths.map(|path| (client, path, read(server, path, &lines))));
        }
        for (client, path, text) in read_texts {
            check(&all, &granted(client), path, &text);
        }
    });
}

/// The topics of these grants.
fn granted<'a>(client: &[&'a str]) -> Vec<&'a str> {
    match client {
        ["*"] => TOPICS.to_vec(),
        topics => topics.to_vec(),
    }
}

fn check(all: &[Published], granted: &[&str], path: &str, text: &str) {
    for published in all {
        // With the quote or the line's end, since one number is the beginning of another.
        let found = text.matches(&format!("{}\"", published.data)).count()
            + text.matches(&format!("{}\n", published.data)).count();
        let expected = usize::from(published.may_be_read_by(granted));
        let what = format!(
            "{path} of {granted:?}: {} of {}",
            published.data, published.topic
        );
        if published.data != END {
            assert_eq!(found, expected, "{what}");
        }
        assert!(
            expected == 1 || !text.contains(&published.id),
            "{what}: the id {}",
            published.id
        );
    }
}

#[test]
fn topics_that_only_resemble_what_a_protected_template_expands_to_are_protected() {
    let server = Server::start(&[
        "--subscribe-access",
        "private-events",
        "--protected-topic",
        "users/{+rest}",
        "--token-key",
        SECRET,
    ]);
    for topic in [
        "users/17",
        "users/Jos\u{e9}",
        "users/a b",
        "users/%",
        "users/a@b.c",
        "users/\u{1f600}",
    ] {
        publish(&server, &json!({ "topic": topic, "data": "secret" }));
    }
    publish(&server, &json!({ "topic": "news", "data": END }));
    let text = read(&server, "/events?topic=*&since=earliest", "");
    assert!(!text.contains("secret"), "{text}");
    let text = read(&server, "/events?topic=*&since=earliest", &reader(&["*"]));
    assert_eq!(text.matches("secret").count(), 6, "{text}");
}

#[test]
fn a_stream_is_sent_expiring_and_ends_with_its_token_so_that_the_client_comes_back_with_another() {
    let settings = ["--subscribe-access", "closed", "--token-key", SECRET];
    let server = Server::start(&[&settings[..], &["--token-leeway", "0s"]].concat());
    let lifetime = Duration::from_secs(3);
    let old = short_lived(&["a", "$signal/s"], lifetime);
    let mut stream = server.subscribe_with("/events?topic=a", &old);
    let mut signals = server.subscribe_with("/signals?name=s", &old);
    let mut socket = Socket::open_with(&server, "/ws?topic=a", &[&old]);
    for stream in [&mut stream, &mut signals] {
        let data: Value = serde_json::from_str(&stream.until("expiring").data).unwrap();
        assert!((0..=3).contains(&data["in"].as_u64().unwrap()), "{data}");
        while stream.next().is_some() {}
    }
    assert_eq!(socket.until("expiring")["type"], "expiring");
    assert_eq!(socket.end().code(), Some(3000));
    // Each stream picks its own end, up to a fifth of the time before that of the token.
    wait_until("the token is refused", || {
        let head = format!("GET /events?topic=a HTTP/1.1\n{old}");
        server.request(&head, b"").status == 401
    });
    let position = stream.last_id.clone();
    let missed = {
        let publisher = bearer(&token(&json!({ "sse": { "publish": ["a"] } })));
        server.request(
            &format!("POST /events?topic=a HTTP/1.1\n{publisher}"),
            b"missed",
        )
    };
    assert_eq!(missed.status, 200);
    let lines = format!("{}\nLast-Event-ID: {position}", reader(&["a"]));
    let mut stream = server.subscribe_with("/events?topic=a", &lines);
    assert_eq!(stream.data(1), ["missed"]);
}

#[test]
fn an_application_that_is_down_leaves_streams_open_and_sends_new_clients_away_to_come_back() {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    let is_up = Arc::new(AtomicBool::new(true));
    let up = Arc::clone(&is_up);
    let application = Application::start(move |_| {
        if !up.load(Ordering::SeqCst) {
            return (503, String::new());
        }
        (
            200,
            json!({ "user": "u", "ttl": 600, "subscribe": ["a"], "publish": ["a"] }).to_string(),
        )
    });
    let url = application.url("/access");
    let server = Server::start(&["--subscribe-access", "closed", "--authorize-url", &url]);
    let session = |name: &str| format!("Cookie: sid={name}");
    let mut stream = server.subscribe_with("/events?topic=a", &session("anna"));
    stream.until("connected");
    is_up.store(false, Ordering::SeqCst);
    // One that is known is admitted on; a new one gets nothing but the time after which to come back.
    let mut again = server.subscribe_with("/events?topic=a", &session("anna"));
    again.until("connected");
    let new = format!("Accept: text/event-stream\n{}", session("berta"));
    let mut away = server.subscribe_with("/events?topic=a", &new);
    while let Some(message) = away.next() {
        assert_eq!(message.name, "position", "{}", message.data);
    }
    assert!(away.retry.is_some());
    let own_page = format!("{}\nOrigin: http://{}", session("anna"), server.address);
    let head = format!("POST /events?topic=a HTTP/1.1\n{own_page}");
    assert_eq!(server.request(&head, b"still here").status, 200);
    assert_eq!(stream.data(1), ["still here"]);
    is_up.store(true, Ordering::SeqCst);
    wait_until("the new client is admitted", || {
        let opened = server.subscribe_with("/events?topic=a", &new);
        connects(opened)
    });
}

/// Whether a stream begins, in place of being sent away.
fn connects(mut stream: Stream) -> bool {
    while let Some(message) = stream.next() {
        if message.name == "connected" {
            return true;
        }
    }
    false
}

#[test]
fn a_reconnect_storm_asks_the_application_once_for_each_session() {
    let application = Application::start(|_| {
        (
            200,
            json!({ "user": "u", "ttl": 600, "subscribe": ["a"] }).to_string(),
        )
    });
    let url = application.url("/access");
    let server = Server::start(&["--subscribe-access", "closed", "--authorize-url", &url]);
    std::thread::scope(|scope| {
        for number in 0..60 {
            let server = &server;
            scope.spawn(move || {
                let lines = format!("Cookie: sid={}", number % 3);
                server
                    .subscribe_with("/events?topic=a", &lines)
                    .until("connected");
            });
        }
    });
    let mut asked = HashMap::new();
    for head in application.heads() {
        let cookie = head
            .lines()
            .find(|line| line.to_lowercase().starts_with("cookie:"));
        *asked.entry(cookie.unwrap_or("").to_owned()).or_insert(0) += 1;
    }
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked.values().all(|count| *count == 1), "{asked:?}");
}
