//! Who may publish, which pages may read, and the responses to each, over real sockets.

mod cors;
mod guessed_ids;
mod hosts;
mod keys;
mod other_users;
mod positions;
mod private;
mod publish_policy;
mod refusal_log;
mod responses;
mod revocations;
mod sockets;
mod three_nodes;
mod token_settings;
mod tokens;

use serde_json::{Value, json};

use crate::support::{
    Server, command,
    tokens::{bearer, token},
};

/// Publishes an event with a token that grants all topics, and returns its id.
fn publish(server: &Server, event: &Value) -> String {
    let publisher = bearer(&token(&json!({ "sse": { "publish": ["*"] } })));
    let head = format!("POST /events HTTP/1.1\nContent-Type: application/json\n{publisher}");
    let response = server.request(&head, event.to_string().as_bytes());
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["id"].as_str().unwrap().to_owned()
}

/// What a server with these settings, which does not start, has logged.
fn why_not_started(settings: &[&str]) -> String {
    let mut starting = command(&["--listen", "127.0.0.1:0"]);
    starting.args(settings);
    let started = Server::try_spawn(starting);
    started.err().expect("it does not start")
}
