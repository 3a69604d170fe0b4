//! Expiry, rotation of keys and an application that is down, on three nodes of one Redis.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use sse_broadcaster_access::mint::{NewToken, SigningKey};
use tempfile::TempDir;

use crate::support::{
    Server, Stream,
    redis::RedisServer,
    tokens::{Application, OTHER_SECRET, SECRET, bearer, token_by},
    wait_until,
};

struct Nodes {
    servers: Vec<Server>,
    application_is_up: Arc<AtomicBool>,
    folder: TempDir,
    _redis: RedisServer,
}

impl Nodes {
    fn start() -> Self {
        let redis = RedisServer::start();
        let folder = tempfile::tempdir().unwrap();
        let application_is_up = Arc::new(AtomicBool::new(true));
        let is_up = Arc::clone(&application_is_up);
        let application = Application::start(move |_| {
            let grants = json!({ "user": "anna", "ttl": 600, "subscribe": ["a"] });
            if is_up.load(Ordering::SeqCst) {
                (200, grants.to_string())
            } else {
                (503, String::new())
            }
        });
        let redis_url = format!("redis://127.0.0.1:{}", redis.port);
        let mut nodes = Self {
            servers: Vec::new(),
            application_is_up,
            folder,
            _redis: redis,
        };
        nodes.write_keys(SECRET);
        let (file, url) = (nodes.key_file(), application.url("/access"));
        let settings = [
            ["--subscribe-access", "closed"],
            ["--token-leeway", "0s"],
            ["--token-key-file", file.to_str().unwrap()],
            ["--authorize-url", &url],
            ["--redis-url", &redis_url],
        ];
        nodes.servers = (0..3).map(|_| Server::start(&settings.concat())).collect();
        nodes
    }

    fn key_file(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    /// By renaming, so that no node reads a part of it.
    fn write_keys(&self, text: &str) {
        let new = self.folder.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, self.key_file()).unwrap();
    }

    fn subscribe(&self, lines: &str) -> Vec<Stream> {
        let open = |node: &Server| {
            let mut stream = node.subscribe_with("/events?topic=a", lines);
            stream.until("connected");
            stream
        };
        self.servers.iter().map(open).collect()
    }

    /// Publishes on the first node what streams of all have to get.
    fn publish(&self, key: &str, data: &str, streams: &mut [Stream]) {
        let publisher = grants(key, &json!({ "publish": ["a"] }));
        let event = json!({ "topic": "a", "data": data, "private": true });
        let head = format!("POST /events HTTP/1.1\nContent-Type: application/json\n{publisher}");
        let response = self.servers[0].request(&head, event.to_string().as_bytes());
        assert_eq!(response.status, 200, "{response:?}");
        for stream in streams {
            assert_eq!(stream.data(1), [data]);
        }
    }

    fn statuses(&self, lines: &str) -> Vec<u16> {
        let head = format!("HEAD /events?topic=a HTTP/1.1\n{lines}");
        self.servers
            .iter()
            .map(|node| node.request(&head, b"").status)
            .collect()
    }
}

fn grants(key: &str, grants: &Value) -> String {
    bearer(&token_by(key, &json!({ "sse": grants })))
}

#[test]
fn rotated_keys_and_an_application_that_is_down_cut_no_stream_on_three_nodes() {
    let mut nodes = Nodes::start();
    let reads = json!({ "subscribe": ["a"] });
    let (old, new) = (grants(SECRET, &reads), grants(OTHER_SECRET, &reads));
    let session = "Cookie: sid=anna";
    let mut streams = nodes.subscribe(&old);
    streams.extend(nodes.subscribe(session));
    nodes.publish(SECRET, "before", &mut streams);

    nodes.write_keys(OTHER_SECRET);
    for node in &mut nodes.servers {
        node.signal("-HUP");
    }
    wait_until("all nodes have the new key", || {
        nodes.statuses(&new) == [200; 3]
    });
    assert_eq!(nodes.statuses(&old), [401; 3]);
    nodes.publish(OTHER_SECRET, "rotated", &mut streams);

    nodes.application_is_up.store(false, Ordering::SeqCst);
    assert_eq!(nodes.statuses(session), [200; 3]);
    assert_eq!(nodes.statuses("Cookie: sid=berta"), [503; 3]);
    nodes.publish(OTHER_SECRET, "down", &mut streams);
    nodes.application_is_up.store(true, Ordering::SeqCst);
    wait_until("new sessions are admitted again", || {
        nodes.statuses("Cookie: sid=berta") == [200; 3]
    });
    nodes.publish(OTHER_SECRET, "up", &mut streams);
}

#[test]
fn a_client_whose_token_ends_on_one_node_resumes_with_another_token_on_the_next_node() {
    let nodes = Nodes::start();
    let claims = json!({ "sse": { "subscribe": ["a"] } });
    let short = NewToken::new(&claims)
        .unwrap()
        .lifetime(Duration::from_secs(6));
    let short = bearer(&short.create(&SigningKey::parse(SECRET).unwrap()).unwrap());
    let mut streams = nodes.subscribe(&short);
    // At once, as the token ends so soon.
    for stream in &mut streams {
        stream.until("expiring");
    }
    nodes.publish(SECRET, "first", &mut streams);
    for stream in &mut streams {
        while stream.next().is_some() {}
    }
    nodes.publish(SECRET, "missed", &mut []);
    let reads = grants(SECRET, &json!({ "subscribe": ["a"] }));
    for (number, stream) in streams.iter().enumerate() {
        let lines = format!("{reads}\nLast-Event-ID: {}", stream.last_id);
        let next = &nodes.servers[(number + 1) % 3];
        let mut resumed = next.subscribe_with("/events?topic=a", &lines);
        assert_eq!(resumed.data(1), ["missed"]);
    }
}
