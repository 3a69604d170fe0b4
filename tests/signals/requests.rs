//! Requests to `/signals/{name}`.

use serde_json::Value;

use crate::support::{Answer, Server};

pub const JSON: &str = "Content-Type: application/json";
pub const MERGE: &str = "Content-Type: application/merge-patch+json";
pub const PATCH: &str = "Content-Type: application/json-patch+json";

pub fn ask(server: &Server, method: &str, name: &str, lines: &[&str], body: &str) -> Answer {
    let lines = lines.join("\n");
    let head = format!("{method} /signals/{name} HTTP/1.1\n{lines}");
    server.request(&head, body.as_bytes())
}

pub fn put(server: &Server, name: &str, document: &Value) -> String {
    let answer = ask(server, "PUT", name, &[JSON], &document.to_string());
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    tag(&answer)
}

pub fn tag(answer: &Answer) -> String {
    answer.header("etag").expect("an entity tag").to_owned()
}

pub fn document(server: &Server, name: &str) -> Value {
    let answer = ask(server, "GET", name, &[], "");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

pub fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.code(), code, "{answer:?}");
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
}
