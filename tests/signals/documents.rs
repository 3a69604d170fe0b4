//! `/signals/{name}`: setting, reading, patching and removing documents.

use serde_json::json;

use crate::{
    signals::requests::{JSON, MERGE, PATCH, ask, put, refused, tag},
    support::Server,
};

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
fn setting_an_equal_document_publishes_nothing() {
    let server = Server::start(&[]);
    let first = put(&server, "a", &json!({"x": 1, "y": 2}));
    let again = ask(&server, "PUT", "a", &[JSON], r#"{"y":2, "x":1}"#);
    assert_eq!((again.status, tag(&again)), (200, first.clone()));
    assert_eq!(again.header("event-id"), None);
    let merged = ask(&server, "PATCH", "a", &[MERGE], r#"{"x":1,"z":null}"#);
    assert_eq!((tag(&merged), merged.header("event-id")), (first, None));
}

#[test]
fn a_patch_that_does_not_fit_changes_nothing_and_the_response_has_the_reason() {
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
        let response = ask(&server, "PATCH", "a", &[PATCH], patch);
        refused(&response, 409, "patch_failed");
        assert!(
            response.text().replace('\\', "").contains(why),
            "{response:?}"
        );
    }
    let read = ask(&server, "GET", "a", &[], "");
    assert_eq!((tag(&read), read.json()), (before, json!({"x": 1})));
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
