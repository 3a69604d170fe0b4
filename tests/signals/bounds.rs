//! The bounds of documents, patches and names.

use serde_json::json;

use crate::{
    signals::requests::{JSON, MERGE, PATCH, ask, document, put, refused},
    support::Server,
};

#[test]
fn an_invalid_document_or_patch_is_rejected_with_an_example() {
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
        let response = ask(
            &server,
            method,
            "a",
            &[&format!("Content-Type: {kind}")],
            body,
        );
        refused(&response, status, code);
    }
    for name in ["connected", "deleted", "a*", "a%0Ab", &"x".repeat(249)] {
        let response = ask(&server, "PUT", name, &[JSON], "1");
        assert_eq!(response.status, 422, "{response:?}");
    }
    refused(
        &ask(&server, "PUT", "%FF", &[JSON], "1"),
        400,
        "invalid_utf8",
    );
    let compressed = ask(&server, "PUT", "a", &[JSON, "Content-Encoding: br"], "1");
    refused(&compressed, 415, "unsupported_media_type");
    assert_eq!(ask(&server, "POST", "a", &[JSON], "1").status, 405);
    let whole = server.request("PUT /signals HTTP/1.1", b"1");
    assert_eq!(
        (whole.status, whole.header("allow")),
        (405, Some("GET, HEAD, OPTIONS"))
    );
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
