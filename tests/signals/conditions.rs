//! Conditional requests (RFC 9110, section 13): `If-Match` and `If-None-Match`.

use serde_json::json;

use crate::{
    signals::requests::{JSON, MERGE, PATCH, ask, document, put, refused, tag},
    support::Server,
};

#[test]
fn a_get_or_head_with_a_failing_if_match_is_412_and_with_a_known_if_none_match_304() {
    let server = Server::start(&[]);
    let old = put(&server, "a", &json!(1));
    let now = put(&server, "a", &json!(2));
    for (lines, status) in [
        (vec![format!("If-Match: {now}")], 200),
        (vec!["If-Match: *".into()], 200),
        (vec![format!("If-Match: {old}, {now}")], 200),
        (
            vec![format!("If-Match: {old}"), format!("If-Match: {now}")],
            200,
        ),
        (vec![format!("If-Match: {old}")], 412),
        (vec!["If-Match: \"foreign\", \"a,b\"".into()], 412),
        (vec![format!("If-Match: W/{now}")], 412),
        (vec![format!("If-None-Match: {now}")], 304),
        (vec!["If-None-Match: *".into()], 304),
        (vec![format!("If-None-Match: W/{now}")], 304),
        (vec![format!("If-None-Match: {old},{now}")], 304),
        (
            vec![
                format!("If-None-Match: {old}"),
                format!("If-None-Match: {now}"),
            ],
            304,
        ),
        (vec![format!("If-None-Match: {old}")], 200),
        (vec!["If-None-Match: unquoted".into()], 200),
        // If-Match comes first, and both count.
        (
            vec![format!("If-Match: {old}"), format!("If-None-Match: {now}")],
            412,
        ),
        (
            vec![format!("If-Match: {now}"), format!("If-None-Match: {now}")],
            304,
        ),
        // No document has a date here.
        (
            vec!["If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT".into()],
            200,
        ),
        (
            vec!["If-Modified-Since: Sat, 01 Jan 2050 00:00:00 GMT".into()],
            200,
        ),
        (vec![format!("If-Match: {}", now.trim_matches('"'))], 400),
    ] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        for method in ["GET", "HEAD"] {
            let response = ask(&server, method, "a", &lines, "");
            assert_eq!(response.status, status, "{method} {lines:?}");
            if matches!(status, 200 | 304) {
                assert_eq!(tag(&response), now, "{method} {lines:?}");
            }
            if status != 200 && method == "GET" && status != 304 {
                let code = if status == 412 {
                    "changed"
                } else {
                    "invalid_condition"
                };
                refused(&response, status, code);
            }
        }
    }
    for line in ["If-Match: *", "If-None-Match: *"] {
        refused(
            &ask(&server, "GET", "none", &[line], ""),
            404,
            "no_such_signal",
        );
    }
}

#[test]
fn a_write_with_a_failing_condition_is_412_unless_it_fails_for_another_reason() {
    let server = Server::start(&[]);
    let old = put(&server, "a", &json!(1));
    let now = put(&server, "a", &json!(2));
    for line in [
        format!("If-Match: {old}"),
        format!("If-Match: W/{now}"),
        "If-None-Match: *".into(),
        format!("If-None-Match: {now}"),
        format!("If-None-Match: W/{now}"),
        format!("If-None-Match: {old}, {now}"),
    ] {
        for (method, kind, body) in [
            ("PUT", JSON, "3"),
            ("PATCH", MERGE, "3"),
            ("DELETE", JSON, ""),
        ] {
            refused(
                &ask(&server, method, "a", &[kind, &line], body),
                412,
                "changed",
            );
        }
        let failing = r#"[{"op":"test","path":"","value":7}]"#;
        refused(
            &ask(&server, "PATCH", "a", &[PATCH, &line], failing),
            412,
            "changed",
        );
    }
    for line in [
        "If-Match: 1-0",
        "If-Match: \"1-0\", *",
        "If-None-Match: 1-0",
        "If-Match:",
    ] {
        let response = ask(&server, "PUT", "a", &[JSON, line], "3");
        refused(&response, 400, "invalid_condition");
    }
    assert_eq!(document(&server, "a"), json!(2));
    // Without the condition these were 404, so they are with it.
    refused(
        &ask(&server, "DELETE", "none", &["If-Match: *"], ""),
        404,
        "no_such_signal",
    );
    refused(
        &ask(
            &server,
            "PATCH",
            "none",
            &[MERGE, &format!("If-Match: {now}")],
            "1",
        ),
        404,
        "no_such_signal",
    );
    refused(
        &ask(&server, "PUT", "none", &[JSON, "If-Match: *"], "1"),
        412,
        "changed",
    );
    let created = ask(&server, "PUT", "none", &[JSON, "If-None-Match: *"], "1");
    assert_eq!(created.status, 201);
    let changed = ask(
        &server,
        "PATCH",
        "a",
        &[MERGE, &format!("If-None-Match: {old}")],
        "3",
    );
    assert_eq!(changed.status, 200);
}
