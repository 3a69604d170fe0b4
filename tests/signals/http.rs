//! `/signals/{name}`: documents, conditions, patches, bounds.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Answer, Server};

const JSON: &str = "Content-Type: application/json";
const MERGE: &str = "Content-Type: application/merge-patch+json";
const PATCH: &str = "Content-Type: application/json-patch+json";

fn ask(server: &Server, method: &str, name: &str, lines: &[&str], body: &str) -> Answer {
    let lines = lines.join("\n");
    let head = format!("{method} /signals/{name} HTTP/1.1\n{lines}");
    server.request(&head, body.as_bytes())
}

fn put(server: &Server, name: &str, document: &Value) -> String {
    let answer = ask(server, "PUT", name, &[JSON], &document.to_string());
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    tag(&answer)
}

fn tag(answer: &Answer) -> String {
    answer.header("etag").expect("an entity tag").to_owned()
}

fn document(server: &Server, name: &str) -> Value {
    let answer = ask(server, "GET", name, &[], "");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.code(), code, "{answer:?}");
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
}

#[test]
fn a_document_is_set_read_patched_and_removed() {
    let server = Server::start(&[]);
    let created = ask(
        &server,
        "PUT",
        "counter",
        &[JSON],
        r#"{ "value": 1, "list": [1.5] }"#,
    );
    assert_eq!(
        (created.status, created.json()),
        (201, json!({"value": 1, "list": [1.5]}))
    );
    let id = created.header("event-id").expect("an id");
    assert_eq!(tag(&created), format!("\"{id}\""));
    let read = ask(&server, "GET", "counter", &[], "");
    assert_eq!(read.header("content-type"), Some("application/json"));
    assert_eq!((tag(&read), read.json()), (tag(&created), created.json()));

    let merged = ask(
        &server,
        "PATCH",
        "counter",
        &[MERGE],
        r#"{"value":2,"list":null}"#,
    );
    assert_eq!((merged.status, merged.json()), (200, json!({"value": 2})));
    let patch = r#"[{"op":"test","path":"/value","value":2},{"op":"add","path":"/x","value":[]}]"#;
    let patched = ask(&server, "PATCH", "counter", &[PATCH], patch);
    assert_eq!(
        (patched.status, patched.json()),
        (200, json!({"value": 2, "x": []}))
    );
    assert_ne!(tag(&patched), tag(&merged));

    let head = ask(&server, "HEAD", "counter", &[], "");
    assert_eq!((head.status, tag(&head)), (200, tag(&patched)));
    let removed = ask(&server, "DELETE", "counter", &[], "");
    assert_eq!((removed.status, removed.body.len()), (204, 0));
    assert!(removed.header("event-id").is_some());
    refused(
        &ask(&server, "GET", "counter", &[], ""),
        404,
        "no_such_signal",
    );
    refused(
        &ask(&server, "DELETE", "counter", &[], ""),
        404,
        "no_such_signal",
    );
    refused(
        &ask(&server, "PATCH", "counter", &[MERGE], "{}"),
        404,
        "no_such_signal",
    );
}

#[test]
fn a_document_that_is_as_before_is_no_change() {
    let server = Server::start(&[]);
    let first = put(&server, "a", &json!({"x": 1, "y": 2}));
    let again = ask(&server, "PUT", "a", &[JSON], r#"{"y":2, "x":1}"#);
    assert_eq!((again.status, tag(&again)), (200, first.clone()));
    assert_eq!(again.header("event-id"), None);
    let merged = ask(&server, "PATCH", "a", &[MERGE], r#"{"x":1,"z":null}"#);
    assert_eq!((tag(&merged), merged.header("event-id")), (first, None));
}

#[test]
fn a_patch_that_does_not_fit_changes_nothing_and_says_why() {
    let server = Server::start(&[]);
    let before = put(&server, "a", &json!({"x": 1}));
    for (patch, why) in [
        (
            r#"[{"op":"test","path":"/x","value":2}]"#,
            "operation 0 of the patch (test \"/x\")",
        ),
        (
            r#"[{"op":"add","path":"/y","value":1},{"op":"remove","path":"/z"}]"#,
            "operation 1",
        ),
        (
            r#"[{"op":"add","path":"/z/z","value":1}]"#,
            "operation 0 of the patch (add \"/z/z\")",
        ),
        (
            r#"[{"op":"move","from":"/z","path":"/x"}]"#,
            "\"from\" names nothing",
        ),
    ] {
        let answer = ask(&server, "PATCH", "a", &[PATCH], patch);
        refused(&answer, 409, "patch_failed");
        assert!(answer.text().replace('\\', "").contains(why), "{answer:?}");
    }
    let read = ask(&server, "GET", "a", &[], "");
    assert_eq!((tag(&read), read.json()), (before, json!({"x": 1})));
}

#[test]
fn writers_that_compete_are_told_by_the_version_that_they_name() {
    let server = Server::start(&[]);
    let first = put(&server, "a", &json!(1));
    let old = format!("If-Match: {first}");
    let second = ask(&server, "PUT", "a", &[JSON, &old], "2");
    assert_eq!(second.status, 200);
    for method in ["PUT", "DELETE"] {
        refused(
            &ask(&server, method, "a", &[JSON, &old], "3"),
            412,
            "changed",
        );
    }
    refused(
        &ask(&server, "PATCH", "a", &[MERGE, &old], "3"),
        412,
        "changed",
    );
    refused(
        &ask(&server, "PUT", "a", &[JSON, "If-None-Match: *"], "3"),
        412,
        "changed",
    );
    refused(
        &ask(&server, "PUT", "b", &[JSON, "If-Match: *"], "3"),
        412,
        "changed",
    );
    refused(
        &ask(&server, "PUT", "a", &[JSON, "If-Match: \"foreign\""], "3"),
        412,
        "changed",
    );
    let weak = format!("If-Match: W/{}", tag(&second));
    refused(
        &ask(&server, "PUT", "a", &[JSON, &weak], "3"),
        412,
        "changed",
    );
    let listed = format!("If-Match: {first}, {}", tag(&second));
    assert_eq!(ask(&server, "PUT", "a", &[JSON, &listed], "3").status, 200);
    assert_eq!(
        ask(&server, "PUT", "b", &[JSON, "If-None-Match: *"], "3").status,
        201
    );
    let now = tag(&ask(&server, "GET", "a", &[], ""));
    let known = format!("If-None-Match: {now}");
    let unchanged = ask(&server, "GET", "a", &[&known], "");
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    assert_eq!(
        ask(
            &server,
            "GET",
            "a",
            &[&old.replace("If-Match", "If-None-Match")],
            ""
        )
        .status,
        200
    );
}

#[test]
fn of_writers_at_once_each_update_counts_and_all_agree_on_one_order() {
    let server = Server::start(&[]);
    put(&server, "n", &json!(0));
    let mut stream = server.subscribe("/signals?name=n");
    stream.until("connected");
    let taken: Vec<i64> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut taken = Vec::new();
                    while taken.len() < 25 {
                        let read = ask(&server, "GET", "n", &[], "");
                        let next = read.json().as_i64().unwrap() + 1;
                        let condition = format!("If-Match: {}", tag(&read));
                        let written =
                            ask(&server, "PUT", "n", &[JSON, &condition], &next.to_string());
                        match written.status {
                            200 => taken.push(next),
                            _ => refused(&written, 412, "changed"),
                        }
                    }
                    taken
                })
            })
            .collect();
        writers
            .into_iter()
            .flat_map(|writer| writer.join().unwrap())
            .collect()
    });
    let distinct: BTreeSet<_> = taken.iter().copied().collect();
    assert_eq!(distinct, (1..=100).collect());
    let told = stream.data(100);
    for (n, told) in told.iter().enumerate() {
        let patch = format!(
            r#""patch":[{{"op":"replace","path":"","value":{}}}]"#,
            n + 1
        );
        assert!(told.contains(&patch), "{told}");
    }
}

#[test]
fn what_is_no_document_or_no_patch_is_refused_with_what_would_be_right() {
    let server = Server::start(&[]);
    put(&server, "a", &json!({}));
    let deep = format!("{}1{}", "[".repeat(65), "]".repeat(65));
    for (method, kind, body, status, code) in [
        (
            "PUT",
            "application/x-www-form-urlencoded",
            "1",
            415,
            "unsupported_media_type",
        ),
        ("PUT", "text/plain", "1", 415, "unsupported_media_type"),
        (
            "PATCH",
            "application/json",
            "{}",
            415,
            "unsupported_media_type",
        ),
        ("PUT", "application/json", "{\"x\":", 400, "invalid_json"),
        ("PUT", "application/json", "", 400, "invalid_json"),
        ("PUT", "application/json", &deep, 422, "too_deep"),
        (
            "PATCH",
            "application/merge-patch+json",
            "{'x':1}",
            400,
            "invalid_json",
        ),
        (
            "PATCH",
            "application/merge-patch+json",
            &format!("{{\"x\":{deep}}}"),
            422,
            "too_deep",
        ),
        (
            "PATCH",
            "application/json-patch+json",
            "{}",
            422,
            "invalid_patch",
        ),
        (
            "PATCH",
            "application/json-patch+json",
            "[{\"op\":\"turn\"}]",
            422,
            "invalid_patch",
        ),
    ] {
        let answer = ask(
            &server,
            method,
            "a",
            &[&format!("Content-Type: {kind}")],
            body,
        );
        refused(&answer, status, code);
    }
    for name in ["connected", "deleted", "a*", "a%0Ab", &"x".repeat(249)] {
        let answer = ask(&server, "PUT", name, &[JSON], "1");
        assert_eq!(answer.status, 422, "{answer:?}");
    }
    refused(
        &ask(&server, "PUT", "%FF", &[JSON], "1"),
        400,
        "invalid_utf8",
    );
    let compressed = ask(&server, "PUT", "a", &[JSON, "Content-Encoding: gzip"], "1");
    refused(&compressed, 415, "unsupported_media_type");
    assert_eq!(ask(&server, "POST", "a", &[JSON], "1").status, 405);
    assert_eq!(server.request("PUT /signals HTTP/1.1", b"1").status, 405);
    assert_eq!(document(&server, "a"), json!({}));
}

#[test]
fn a_document_has_a_largest_size_whichever_way_it_grows() {
    let server = Server::start(&["--max-event-bytes", "65536"]);
    let max = (65_536 - 1_024) / 4;
    let text = "x".repeat(max - 2);
    put(&server, "a", &json!(text));
    let longer = format!("\"x{text}\"");
    refused(
        &ask(&server, "PUT", "a", &[JSON], &longer),
        413,
        "too_large",
    );
    put(&server, "a", &json!({"half": "x".repeat(max / 2)}));
    let copy = r#"[{"op":"copy","from":"/half","path":"/other"}]"#;
    refused(
        &ask(&server, "PATCH", "a", &[PATCH], copy),
        413,
        "too_large",
    );
    let merge = format!(r#"{{"other":"{}"}}"#, "x".repeat(max / 2));
    refused(
        &ask(&server, "PATCH", "a", &[MERGE], &merge),
        413,
        "too_large",
    );
    let endless = "[".repeat(1 << 20);
    refused(
        &ask(&server, "PUT", "a", &[JSON], &endless),
        413,
        "too_large",
    );
}

#[test]
fn a_name_may_hold_slashes_and_letters_of_any_language() {
    let server = Server::start(&[]);
    for name in ["rooms/1/users", "Z%C3%A4hler", "with%20space", "%24system"] {
        put(&server, name, &json!(name));
        assert_eq!(document(&server, name), json!(name));
    }
    assert_eq!(
        document(&server, "Zähler".replace('ä', "%c3%a4").as_str()),
        json!("Z%C3%A4hler")
    );
}

#[test]
fn documents_on_disk_outlive_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().to_str().unwrap().to_owned();
    let start = || Server::start(&["--data-dir", &data_dir, "--workers", "1"]);
    let mut server = start();
    let kept = put(&server, "kept", &json!({"value": [1, 2]}));
    put(&server, "gone", &json!(1));
    ask(&server, "DELETE", "gone", &[], "");
    server.signal("-KILL");
    server.wait();
    let server = start();
    let read = ask(&server, "GET", "kept", &[], "");
    assert_eq!((tag(&read), read.json()), (kept, json!({"value": [1, 2]})));
    refused(&ask(&server, "GET", "gone", &[], ""), 404, "no_such_signal");
}

#[test]
fn pages_of_listed_origins_may_read_and_write_across_origins() {
    let app = "https://app.example.com";
    let server = Server::start(&["--cors-origin", app, "--publish-origin", app]);
    let origin = format!("Origin: {app}");
    let written = ask(&server, "PUT", "a", &[JSON, &origin], "1");
    assert_eq!(written.status, 201, "{written:?}");
    assert_eq!(written.header("access-control-allow-origin"), Some(app));
    assert_eq!(
        written.header("access-control-expose-headers"),
        Some("etag, event-head, event-id")
    );
    let read = ask(&server, "GET", "a", &[&origin], "");
    assert_eq!(read.header("access-control-allow-origin"), Some(app));
    let asks = "Access-Control-Request-Method: PATCH";
    let preflight = ask(&server, "OPTIONS", "a", &[&origin, asks], "");
    assert_eq!(preflight.status, 204);
    let allowed = |name| preflight.header(name).unwrap_or("").to_owned();
    assert!(allowed("access-control-allow-methods").contains("PATCH"));
    assert!(allowed("access-control-allow-headers").contains("if-match"));
    let foreign = ask(
        &server,
        "OPTIONS",
        "a",
        &["Origin: https://evil.example", asks],
        "",
    );
    assert_eq!(foreign.header("access-control-allow-origin"), None);
}
