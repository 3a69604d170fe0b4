//! Mercure's protocol, both versions, on the direct path and through actix.

mod cursors;
mod libraries;
mod model;
pub mod nodes;
pub mod nodes_faults;
pub mod nodes_list;
mod patterns;
mod publish;
mod subscribe;
mod subscriptions;
mod tokens;

use serde_json::{Value, json};

use crate::support::{
    Response, Server, Stream,
    tokens::{SECRET, bearer, token_by},
};
use sse_broadcaster_access::mint::{NewToken, SigningKey};

pub const HUB: &str = "/.well-known/mercure";
/// The keys of version 0.x, as hubs have them.
pub const PUBLISHER_KEY: &str = "!ChangeThisMercureHubJWTSecretKey!-publisher";
pub const SUBSCRIBER_KEY: &str = "!ChangeThisMercureHubJWTSecretKey!-subscriber";
/// The issuer of access tokens, and the public URL of the hub.
const ISSUER: &str = "https://login.example.com";
pub const HUB_URL: &str = "https://events.example.com/.well-known/mercure";

/// Settings of a hub that trusts tokens of both versions.
pub const ARGUMENTS: [&str; 11] = [
    "--mercure",
    "--mercure-publisher-key",
    PUBLISHER_KEY,
    "--mercure-subscriber-key",
    SUBSCRIBER_KEY,
    "--token-key",
    SECRET,
    "--token-issuer",
    ISSUER,
    "--mercure-url",
    HUB_URL,
];

/// A hub that trusts tokens of both versions.
pub fn hub(arguments: &[&str]) -> Server {
    Server::start(&[&ARGUMENTS[..], arguments].concat())
}

/// A token of version 0.x that may publish to these topics.
pub fn publisher(topics: &[&str]) -> String {
    let claims = json!({ "mercure": { "publish": topics, "subscribe": [] } });
    bearer(&token_by(&format!("HS256 {PUBLISHER_KEY}"), &claims))
}

/// A token of version 0.x that may read private events of these topics.
pub fn subscriber(topics: &[&str]) -> String {
    bearer(&subscriber_token(
        &json!({ "mercure": { "subscribe": topics } }),
    ))
}

pub fn subscriber_token(claims: &Value) -> String {
    token_by(&format!("HS256 {SUBSCRIBER_KEY}"), claims)
}

/// An access token, which is of version 1.0, with these grants.
pub fn access_token(actions: &[&str], topics: &Value) -> String {
    access_token_of(
        &json!({ "iss": ISSUER, "aud": HUB_URL, "authorization_details": [{
        "type": "https://mercure.rocks/authorization-detail",
        "actions": actions,
        "topics": topics,
    }] }),
    )
}

pub fn access_token_of(claims: &Value) -> String {
    let token = NewToken::new(claims).unwrap().access_token();
    bearer(&token.create(&SigningKey::parse(SECRET).unwrap()).unwrap())
}

/// `match` for everything.
pub fn everything() -> Value {
    json!([{ "match": "*" }])
}

pub fn publish_as(server: &Server, authorization: &str, form: &str) -> Response {
    let head = format!(
        "POST {HUB} HTTP/1.1\nContent-Type: application/x-www-form-urlencoded\n{authorization}"
    );
    server.request(&head, form.as_bytes())
}

/// Publishes to any topic, and returns the id.
pub fn publish(server: &Server, form: &str) -> String {
    let response = publish_as(server, &publisher(&["*"]), form);
    assert_eq!(response.status, 200, "{response:?}");
    response.text()
}

/// A stream of this query by a client that may read everything.
pub fn subscribe(server: &Server, query: &str) -> Stream {
    subscribe_with(server, query, "")
}

pub fn subscribe_with(server: &Server, query: &str, lines: &str) -> Stream {
    let lines = format!("{}\n{lines}", subscriber(&["*"]));
    server.subscribe_with(&format!("{HUB}?{query}"), &lines)
}

pub fn get(server: &Server, path_and_query: &str, lines: &str) -> Response {
    server.request(&format!("GET {path_and_query} HTTP/1.1\n{lines}"), b"")
}
