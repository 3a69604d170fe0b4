//! SIGHUP: what it applies of a configuration file that has changed.

use std::{fs, path::PathBuf};

use serde_json::json;
use tempfile::TempDir;

use crate::support::{
    Server, command,
    tokens::{OTHER_SECRET, SECRET, bearer, token_by},
    wait_until,
};

const KEY: &str = "0123456789abcdef";
const OTHER_KEY: &str = "fedcba9876543210";

/// A server with a configuration file that can be changed.
struct Configured {
    server: Server,
    path: PathBuf,
    _directory: TempDir,
}

impl Configured {
    fn start(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sse-broadcaster.toml");
        fs::write(&path, text).unwrap();
        let mut command = command(&["--listen", "127.0.0.1:0"]);
        command.arg("--config").arg(&path);
        Self {
            server: Server::spawn(command),
            path,
            _directory: directory,
        }
    }

    /// Changes the file, and returns the lines of the log once they have all these texts.
    fn change(&mut self, text: &str, logged: &[&str]) -> String {
        let before = self.server.log().len();
        fs::write(&self.path, text).unwrap();
        self.server.signal("-HUP");
        let mut lines = String::new();
        wait_until("the change is logged", || {
            lines = self.server.log().split_off(before);
            logged.iter().all(|text| lines.contains(text))
        });
        lines
    }

    fn publish(&self, key: &str) -> u16 {
        let head = format!("POST /events HTTP/1.1\nAuthorization: Bearer {key}");
        self.server.request(&head, b"x").status
    }
}

#[test]
fn sighup_applies_limits_keys_origins_and_the_log_filter() {
    let before = format!("max-subscribers = 1\npublish-key = \"{KEY}\"\nlog = \"info\"\n");
    let mut configured = Configured::start(&before);
    let mut first = configured.server.subscribe("/events");
    first.until("connected");
    assert_eq!(configured.server.get("/events").status, 503);
    let after = format!(
        "max-subscribers = 2\npublish-key = \"{OTHER_KEY}\"\nlog = \"debug\"\n\
         cors-origin = \"https://a.example\"\nmax-subscribers-per-address = 5\nno-get-publish = true\n"
    );
    let logged = [
        "publish-key has changed",
        "max-subscribers is 2 now",
        "log is debug now",
        "cors-origin is https://a.example now",
        "max-subscribers-per-address is 5 now",
        "no-get-publish is true now",
    ];
    let lines = configured.change(&after, &logged);
    assert!(!lines.contains(OTHER_KEY), "{lines}");
    assert_eq!(configured.server.metric("max_subscribers"), 2);
    let mut second = configured
        .server
        .subscribe_with("/events", "Origin: https://a.example");
    assert_eq!(
        second.header("access-control-allow-origin"),
        Some("https://a.example")
    );
    second.until("connected");
    assert_eq!(configured.publish(KEY), 401);
    assert_eq!(configured.publish(OTHER_KEY), 200);
    let by_get = format!("GET /events/x HTTP/1.1\nAuthorization: Bearer {OTHER_KEY}");
    assert_eq!(
        configured.server.request(&by_get, b"").code(),
        "get_publish_disabled"
    );
    assert_eq!(first.event().unwrap().data, "x", "streams stay open");
    configured.change(&before, &["max-subscribers is 1 now"]);
    assert_eq!(configured.publish(KEY), 200);
    assert_eq!(configured.server.get("/events").status, 503);
}

#[test]
fn sighup_leaves_what_is_wrong_as_it_was_and_says_what_waits_for_the_next_start() {
    let right = format!("publish-key = \"{KEY}\"\nmax-subscribers = 7\n");
    let mut configured = Configured::start(&right);
    let lines = configured.change("max-subscribers = ", &["the settings stay as they were"]);
    assert!(lines.contains("sse-broadcaster.toml, line 1: "), "{lines}");
    let short = "publish-key = \"short\"\nmax-subscribers = 8\n";
    let logged = ["publish-key stay as they were", "max-subscribers is 8 now"];
    let lines = configured.change(short, &logged);
    assert!(lines.contains("it needs at least 16"), "{lines}");
    assert_eq!(configured.publish(KEY), 200);
    let late = format!("{right}history-events = 17\nadmin-key = \"{OTHER_KEY}\"\n");
    let logged = [
        "history-events has changed, which takes effect at the next start",
        "admin-key has changed, which takes effect at the next start",
    ];
    configured.change(&late, &logged);
    let lines = configured.change("max-subscribers = 9\n", &["max-subscribers is 9 now"]);
    assert!(
        !lines.contains("next start"),
        "what is as at the start: {lines}"
    );
    assert_eq!(
        configured.publish(""),
        200,
        "programs on this machine, without a key"
    );
}

#[test]
fn sighup_replaces_keys_of_tokens_and_protected_topics_and_ends_streams_of_before() {
    let settings = |key: &str, topics: &str| {
        format!(
            "token-key = \"{key}\"\nsubscribe-access = \"private-events\"\nprotected-topic = {topics}\n"
        )
    };
    let mut configured = Configured::start(&settings(SECRET, "[]"));
    let mut visitor = configured.server.subscribe("/events?topic=news");
    visitor.until("connected");
    configured.change(
        &settings(SECRET, "[\"news\"]"),
        &["protected-topic is news now"],
    );
    while visitor.next().is_some() {}
    assert_eq!(
        configured.server.get("/events?topic=news").code(),
        "grant_missing"
    );
    let claims = json!({"sse": {"subscribe": ["news"]}});
    let read = |server: &Server, key: &str| {
        let head = format!(
            "HEAD /events?topic=news HTTP/1.1\n{}",
            bearer(&token_by(key, &claims))
        );
        server.request(&head, b"").status
    };
    assert_eq!(read(&configured.server, SECRET), 200);
    configured.change(
        &settings(OTHER_SECRET, "[\"news\"]"),
        &["token-key has changed"],
    );
    wait_until("the new key counts", || {
        read(&configured.server, OTHER_SECRET) == 200
    });
    assert_eq!(read(&configured.server, SECRET), 401);
    let closed = settings(OTHER_SECRET, "[\"news\"]").replace("private-events", "closed");
    configured.change(&closed, &["subscribe-access is closed now"]);
    assert_eq!(
        configured.server.get("/events?topic=other").code(),
        "grant_missing"
    );
    let open = format!("token-key = \"{OTHER_SECRET}\"\n");
    configured.change(
        &open,
        &["subscribe-access has changed, which takes effect at the next start"],
    );
}
