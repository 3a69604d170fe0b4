//! The routes of administration, over real sockets: who may use them, what they show, and what they change.

mod connections;
mod crowd;
mod disconnect;
mod explain;
mod nodes;
mod operators;
mod rights;
mod status;
mod topics;

use serde_json::Value;

use crate::support::{Response, Server, Stream, tokens::bearer};

/// The key of operators.
pub const KEY: &str = "the-key-of-an-operator";

/// A server with a key of operators.
pub fn start(args: &[&str]) -> Server {
    Server::start(&[&["--admin-key", KEY], args].concat())
}

/// A request by an operator.
pub fn ask(server: &Server, method: &str, path: &str) -> Response {
    server.request(&format!("{method} {path} HTTP/1.1\n{}", bearer(KEY)), b"")
}

/// What an operator is shown.
pub fn get(server: &Server, path: &str) -> Value {
    let response = ask(server, "GET", path);
    assert_eq!(response.status, 200, "{response:?}");
    response.json()
}

/// The status and the code of a refused request by an operator.
pub fn refused(server: &Server, path: &str) -> (u16, String) {
    let response = ask(server, "GET", path);
    (response.status, response.code())
}

/// The connections of this query.
pub fn connections(server: &Server, query: &str) -> Vec<Value> {
    let page = get(server, &format!("/admin/connections?{query}"));
    assert_eq!(page["more"], false, "{page}");
    page["connections"].as_array().expect("a list").clone()
}

/// The id of the one connection of this query.
pub fn only(server: &Server, query: &str) -> String {
    let found = connections(server, query);
    assert_eq!(found.len(), 1, "{found:?}");
    found[0]["id"].as_str().expect("an id").to_owned()
}

/// A stream that has begun.
pub fn subscribe(server: &Server, path: &str, lines: &str) -> Stream {
    let mut stream = server.subscribe_with(path, lines);
    stream.until("connected");
    stream
}
