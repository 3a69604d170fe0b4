//! Requests to `/signals/{name}`.

use serde_json::Value;

use crate::support::{Response, Server};

pub const JSON: &str = "Content-Type: application/json";
pub const MERGE: &str = "Content-Type: application/merge-patch+json";
pub const PATCH: &str = "Content-Type: application/json-patch+json";

pub fn ask(server: &Server, method: &str, name: &str, lines: &[&str], body: &str) -> Response {
    let lines = lines.join("\n");
    let head = format!("{method} /signals/{name} HTTP/1.1\n{lines}");
    server.request(&head, body.as_bytes())
}

pub fn put(server: &Server, name: &str, document: &Value) -> String {
    let response = ask(server, "PUT", name, &[JSON], &document.to_string());
    assert!(matches!(response.status, 200 | 201), "{response:?}");
    tag(&response)
}

pub fn tag(response: &Response) -> String {
    response.header("etag").expect("an entity tag").to_owned()
}

pub fn document(server: &Server, name: &str) -> Value {
    let response = ask(server, "GET", name, &[], "");
    assert_eq!(response.status, 200, "{response:?}");
    response.json()
}

pub fn refused(response: &Response, status: u16, code: &str) {
    assert_eq!(response.status, status, "{response:?}");
    assert_eq!(response.code(), code, "{response:?}");
    assert_eq!(
        response.header("content-type"),
        Some("application/problem+json")
    );
}
