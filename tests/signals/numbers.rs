//! Numbers in documents: none changes without a patch, and none is rounded silently.

use serde_json::json;

use crate::{
    signals::requests::{JSON, MERGE, PATCH, ask, put, refused, tag},
    support::Server,
};

#[test]
fn every_change_of_a_number_is_in_a_patch_a_zero_s_sign_and_an_integer_made_a_double_too() {
    let server = Server::start(&[]);
    put(&server, "a", &json!({"n": 1, "list": [0.0, {"z": 0.0}]}));
    let mut stream = server.subscribe("/signals?name=a");
    let mut merged = server.subscribe("/signals?name=a&format=datastar");
    stream.until("connected");
    merged.until("connected");
    for (document, patch, merge) in [
        (
            r#"{"n":1,"list":[-0.0,{"z":0.0}]}"#,
            r#"[{"op":"replace","path":"/list/0","value":-0.0}]"#,
            r#"{"list":[-0.0,{"z":0.0}]}"#,
        ),
        (
            r#"{"n":1,"list":[-0.0,{"z":-0.0}]}"#,
            r#"[{"op":"replace","path":"/list/1/z","value":-0.0}]"#,
            r#"{"list":[-0.0,{"z":-0.0}]}"#,
        ),
        (
            r#"{"n":1.0,"list":[-0.0,{"z":-0.0}]}"#,
            r#"[{"op":"replace","path":"/n","value":1.0}]"#,
            r#"{"n":1.0}"#,
        ),
    ] {
        let written = ask(&server, "PUT", "a", &[JSON], document);
        assert!(written.header("event-id").is_some(), "{document}");
        let change = stream.event().unwrap();
        assert_eq!(change.data, format!(r#"{{"name":"a","patch":{patch}}}"#));
        assert_eq!(
            merged.event().unwrap().data,
            format!(r#"signals {{"a":{merge}}}"#)
        );
        let again = ask(&server, "PUT", "a", &[JSON], document);
        assert_eq!(
            (tag(&again), again.header("event-id")),
            (tag(&written), None)
        );
    }
    let read = ask(&server, "GET", "a", &[], "").text();
    assert_eq!(read, r#"{"list":[-0.0,{"z":-0.0}],"n":1.0}"#);
}

#[test]
fn a_test_of_a_json_patch_compares_numbers_by_their_values() {
    let server = Server::start(&[]);
    put(
        &server,
        "a",
        &json!({"one": 1, "half": 0.5, "big": 9_007_199_254_740_993_u64, "list": [{"x": 2.0}, -0.0]}),
    );
    for (path, value, status) in [
        ("/one", "1.0", 200),
        ("/one", "1e0", 200),
        ("/one", "1.0000001", 409),
        ("/one", "\"1\"", 409),
        ("/one", "true", 409),
        ("/half", "5e-1", 200),
        ("/big", "9007199254740993", 200),
        ("/big", "9007199254740992.0", 409),
        ("/list", r#"[{"x":2},0]"#, 200),
        ("/list/0", r#"{"x":2}"#, 200),
        ("/list/0", r#"{"x":3}"#, 409),
        ("/list/0", r#"{"x":2,"y":1}"#, 409),
        ("/none", "null", 409),
    ] {
        let patch = format!(r#"[{{"op":"test","path":"{path}","value":{value}}}]"#);
        let response = ask(&server, "PATCH", "a", &[PATCH], &patch);
        assert_eq!(response.status, status, "{patch}");
    }
}

#[test]
fn an_integer_beyond_64_bits_is_rejected_and_changes_nothing() {
    let server = Server::start(&[]);
    let before = put(&server, "a", &json!({"n": u64::MAX, "m": i64::MIN}));
    for (method, kind, body) in [
        ("PUT", JSON, "18446744073709551616"),
        ("PUT", JSON, r#"{"a":[1,{"b":-9223372036854775809}]}"#),
        ("PATCH", MERGE, r#"{"n":99999999999999999999999}"#),
        (
            "PATCH",
            PATCH,
            r#"[{"op":"replace","path":"/n","value":18446744073709551616}]"#,
        ),
    ] {
        let response = ask(&server, method, "a", &[kind], body);
        refused(&response, 422, "integer_too_large");
        assert!(
            response.text().contains("does not fit in 64 bits"),
            "{response:?}"
        );
    }
    let read = ask(&server, "GET", "a", &[], "");
    assert_eq!(tag(&read), before);
    assert_eq!(
        read.text(),
        r#"{"m":-9223372036854775808,"n":18446744073709551615}"#
    );
    let doubles = ask(
        &server,
        "PUT",
        "a",
        &[JSON],
        r#"[1.8446744073709552e19,"18446744073709551616"]"#,
    );
    assert_eq!(
        doubles.text(),
        r#"[1.8446744073709552e+19,"18446744073709551616"]"#
    );
}
