//! The commands that copy a history, between two servers with access control.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::commands::{commands, document, shell};
use crate::support::Server;

const KEY: &str = "HS256 0123456789abcdef0123456789abcdef";

fn server() -> Server {
    Server::start(&[
        "--subscribe-access",
        "private-events",
        "--token-key",
        KEY,
        "--allow-anonymous-publish",
    ])
}

fn run(script: &str, directory: &Path) -> String {
    let output = shell(script, directory).output().unwrap();
    assert!(output.status.success(), "{script:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Data of all events, and whether each is private.
fn events(server: &Server, directory: &Path) -> Vec<(String, bool)> {
    let url = format!("http://{}", server.address);
    let read = "sse-broadcaster subscribe --topic '*' --until head --json --token-file copy-token";
    let lines = run(&format!("{read} --url {url}"), directory);
    let events = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let shown = events.map(|event| {
        let data = event["data"].as_str().unwrap().to_owned();
        (data, event["private"] == json!(true))
    });
    shown.collect()
}

#[test]
fn the_commands_that_copy_a_history_copy_private_events_with_a_token_alone() {
    let (from, to) = (server(), server());
    for event in [
        json!({"data": "public"}),
        json!({"data": "private", "private": true}),
    ] {
        let response = from.post("/events", "application/json", &event.to_string());
        assert_eq!(response.status, 200, "{response:?}");
    }
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("token-key"), KEY).unwrap();
    let page = document("docs/operations.md")
        .replace("from:8000", &from.address.to_string())
        .replace("to:8000", &to.address.to_string());
    let all = commands(&page);
    let of_copies: Vec<_> = all
        .iter()
        .filter(|line| line.contains("publish --json") || line.contains("copy-token"))
        .collect();
    let [without_token, token, with_token] = of_copies[..] else {
        panic!("{of_copies:?}")
    };
    run(token, directory.path());

    run(without_token, directory.path());
    let public = || ("public".to_owned(), false);
    assert_eq!(events(&to, directory.path()), [public()]);

    run(with_token, directory.path());
    let private = ("private".to_owned(), true);
    assert_eq!(events(&to, directory.path()), [public(), public(), private]);
}
