//! Bodies that cannot be read, or hold fields that are not valid.

use crate::{
    publish::refused::{FORM, JSON, Refused, TEXT, Witness, check_all},
    support::Server,
};

const NDJSON: &str = "application/x-ndjson";
const JSON_LINE: &str = r#"{"topic":"news","event":"update","data":"hello"}"#;

#[test]
fn bytes_that_are_not_utf_8_are_rejected_in_every_part_of_a_request() {
    let code = "invalid_utf8";
    let mut cases = vec![
        Refused::post(TEXT, "", b"\xff", 400, code),
        Refused::post(TEXT, "", b"cut short \xe2\x82", 400, code),
        Refused::post(TEXT, "", b"a surrogate \xed\xa0\x80", 400, code),
        Refused::form(b"\xff", 400, code),
        Refused::form(b"data=\xff", 400, code),
        Refused::form(b"data=%FF", 400, code),
        Refused::form(b"data=x&topic=%C3", 400, code),
        Refused::json(b"{\"data\":\"\xff\"}", 400, code),
        Refused::json(br#"{"data":"\ud800"}"#, 400, code),
        Refused::post(NDJSON, "", b"{\"data\":\"\xff\"}\n", 400, code),
        Refused::get("/events/%FF", 400, code),
        Refused::get("/events/a%E2%82", 400, code),
    ];
    for field in ["topic", "event", "id", "retry", "%FF"] {
        cases.extend(Refused::query(&format!("?{field}=%FF"), 400, code));
    }
    check_all(&Server::start(&[]), cases);
}

#[test]
fn raw_bytes_in_a_path_that_have_to_be_percent_encoded_publish_nothing() {
    let server = Server::start(&[]);
    let mut witness = Witness::of(&server);
    for path in [
        &b"/events/a\xffb"[..],
        b"/events/x?topic=\xff",
        "/events/ü".as_bytes(),
    ] {
        let host = server.address;
        let request = [
            b"GET ",
            path,
            format!(" HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes(),
        ]
        .concat();
        assert_eq!(server.send(&request).status, 400);
    }
    witness.saw_nothing(&server);
}

#[test]
fn a_body_that_is_not_json_is_rejected_with_an_example() {
    let bad = [
        "",
        " ",
        "{",
        "nonsense",
        r#"{"data":"x"} x"#,
        r#"{"data":"x",}"#,
        r"{'data':'x'}",
        r#"{"data":"x"}{"data":"y"}"#,
        r#"[{"data":"x"}"#,
        r#"[{"data":"x"},]"#,
        r#"{"data":NaN}"#,
        r#"{"data":01}"#,
        r#"{"data":"\x"}"#,
        "\u{feff}\u{feff}{\"data\":\"x\"}",
    ];
    let cases = bad.map(|body| Refused::json(body, 400, "invalid_json").saying(JSON_LINE));
    check_all(&Server::start(&[]), cases);
}

#[test]
fn deeply_nested_json_is_published_unchanged_and_harms_nothing() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events");
    let data = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let response = server.post("/events", JSON, &format!(r#"{{"data":{data}}}"#));
    assert_eq!(response.status, 200);
    assert!(stream.event().unwrap().data == data);
    let unclosed = format!(r#"{{"data":{}"#, "[".repeat(200_000));
    check_all(&server, [Refused::json(unclosed, 400, "invalid_json")]);
}

#[test]
fn values_of_a_wrong_type_are_rejected_with_the_right_one() {
    let mut cases = Vec::new();
    for not_an_object in [
        "null", "5", "\"x\"", "true", "[5]", "[[]]", r#"["x"]"#, "[null]",
    ] {
        let refused = Refused::json(not_an_object, 422, "invalid_event_object");
        cases.push(refused.saying(JSON_LINE));
    }
    for value in ["5", "true", "{}", "[]", r#"["a"]"#] {
        for field in ["topic", "event", "id"] {
            let body = format!(r#"{{"data":"x","{field}":{value}}}"#);
            cases.push(Refused::json(body, 422, "wrong_type").saying("a string"));
        }
    }
    for value in ["5", "\"a\"", "{}", "[5]", r#"["a",null]"#, "[]"] {
        let body = format!(r#"{{"data":"x","topics":{value}}}"#);
        cases
            .push(Refused::json(body, 422, "wrong_type").saying("an array of one or more strings"));
    }
    check_all(&Server::start(&[]), cases);
}

#[test]
fn other_types_and_other_charsets_are_rejected() {
    let kinds = [
        "application/xml",
        "application/octet-stream",
        "image/png",
        "video/mp4",
        "nonsense",
        "/",
        "multipart/form-data; boundary=x",
        "multipart/mixed; boundary=x",
        "text/plain; charset=iso-8859-1",
        "text/plain; format=flowed; charset=\"utf-16\"",
        "application/json; charset=latin1",
        "application/x-www-form-urlencoded;charset=windows-1252",
        "application/x-ndjson; charset=utf-7",
    ];
    let code = "unsupported_media_type";
    let cases = kinds.map(|kind| Refused::post(kind, "", r#"{"data":"x"}"#, 415, code));
    check_all(&Server::start(&[]), cases);
}

#[test]
fn a_body_of_an_unknown_coding_is_rejected_rather_than_published_as_it_is() {
    let server = Server::start(&[]);
    let mut witness = Witness::of(&server);
    for coding in ["br", "deflate", "identity, gzip"] {
        let head =
            format!("POST /events HTTP/1.1\nContent-Type: text/plain\nContent-Encoding: {coding}");
        let response = server.request(&head, b"x");
        assert_eq!(
            (response.status, response.code().as_str()),
            (415, "unsupported_media_type")
        );
    }
    witness.saw_nothing(&server);
    let head = "POST /events HTTP/1.1\nContent-Type: text/plain\nContent-Encoding: identity";
    assert_eq!(server.request(head, b"x").status, 200);
}

#[test]
fn utf_8_may_be_named_as_the_charset() {
    let server = Server::start(&[]);
    for kind in [
        "text/plain; charset=utf-8",
        "TEXT/PLAIN;Charset=\"UTF-8\"",
        "text/html; charset=us-ascii",
    ] {
        assert_eq!(server.post("/events", kind, "x").status, 200, "{kind}");
    }
    for kind in [
        "application/json;charset=utf-8",
        "Application/JSON",
        "application/vnd.x+json",
    ] {
        assert_eq!(
            server.post("/events", kind, r#"{"data":"x"}"#).status,
            200,
            "{kind}"
        );
    }
}

#[test]
fn a_publish_without_data_is_rejected_with_an_example() {
    let mut cases = vec![
        Refused::json("{}", 422, "no_data").saying(JSON_LINE),
        Refused::json(r#"{"topic":"a","event":"b"}"#, 422, "no_data").saying(JSON_LINE),
        Refused::json(r#"[{"data":"x"},{"topic":"a"}]"#, 422, "no_data").saying(JSON_LINE),
        Refused::json("[]", 422, "no_data").saying(JSON_LINE),
        Refused::post(NDJSON, "", "{\"topic\":\"a\"}\n", 422, "no_data").saying(JSON_LINE),
    ];
    for body in ["topic=a", "topic=a&event=b", "data2=x&data"] {
        let code = if body.contains("data2") {
            "unknown_field"
        } else {
            "no_data"
        };
        cases.push(Refused::form(body, 422, code));
    }
    check_all(&Server::start(&[]), cases);
}

#[test]
fn unknown_fields_are_rejected_by_name() {
    let code = "unknown_field";
    let mut cases = vec![
        Refused::json(r#"{"data":"x","dta":"y"}"#, 422, code).saying("dta"),
        Refused::json(r#"{"data":"x","Topic":"y"}"#, 422, code).saying("Topic"),
        Refused::json(r#"{"data":"x","secret":true}"#, 422, code).saying("secret"),
        Refused::json(r#"{"data":"x","unknown":null}"#, 422, code).saying("unknown"),
        Refused::form("data=x&dta=y", 422, code).saying("dta"),
        Refused::form("message with = in it", 422, code).saying("Content-Type: text/plain"),
    ];
    cases.extend(Refused::query("?topik=a", 422, code));
    cases.extend(Refused::query("?data=a", 422, code));
    check_all(&Server::start(&[]), cases);
}

#[test]
fn a_field_given_twice_is_rejected() {
    let code = "duplicate_field";
    let mut cases = vec![
        Refused::json(r#"{"data":"x","data":"y"}"#, 422, code),
        Refused::json(r#"{"data":"x","topic":"a","topic":"a"}"#, 422, code),
        Refused::json(r#"{"data":"x","topic":"a","topics":["b"]}"#, 422, code).saying("topics"),
        Refused::json(r#"{"topics":["b"],"topic":"a","data":"x"}"#, 422, code),
        Refused::form("data=x&data=y", 422, code),
        Refused::form("data=x&event=a&event=a", 422, code),
        Refused::form("data=x&topic=a&topics=b", 422, code),
        Refused::post(JSON, "?id=one", r#"[{"data":"x"}]"#, 422, code),
        Refused::post(NDJSON, "?id=one", "{\"data\":\"x\"}\n", 422, code),
    ];
    for (field, value) in [
        ("topic", "\"a\""),
        ("event", "\"a\""),
        ("id", "\"a\""),
        ("retry", "5"),
    ] {
        let (query, plain) = (format!("?{field}=5"), value.trim_matches('"'));
        let json = format!(r#"{{"data":"x","{field}":{value}}}"#);
        cases.push(Refused::post(JSON, &query, json.clone(), 422, code).saying(field));
        cases.push(Refused::post(JSON, &query, format!("[{json}]"), 422, code));
        cases.push(Refused::post(NDJSON, &query, json + "\n", 422, code));
        cases.push(Refused::post(
            FORM,
            &query,
            format!("data=x&{field}={plain}"),
            422,
            code,
        ));
    }
    cases.push(Refused::post(
        JSON,
        "?topic=a",
        r#"{"data":"x","topics":["b"]}"#,
        422,
        code,
    ));
    for twice in [
        "?event=a&event=b",
        "?id=a&id=a",
        "?retry=1&retry=1",
        "?topic=a&topics=b",
    ] {
        cases.extend(Refused::query(twice, 422, code));
    }
    check_all(&Server::start(&[]), cases);
}

#[test]
fn a_form_that_looks_like_json_is_rejected_with_the_header_to_send() {
    let header = "-H 'Content-Type: application/json'";
    let bodies = [
        r#"{"data":"x"}"#,
        r#"[{"data":"x"}]"#,
        " \r\n\t{\"data\":\"a=b\"}",
        "{",
        "[",
    ];
    let cases = bodies.map(|body| Refused::form(body, 422, "looks_like_json").saying(header));
    check_all(&Server::start(&[]), cases);
}

#[test]
fn a_byte_order_mark_before_json_is_ignored() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events?topic=*");
    stream.until("connected");
    let mut data = || stream.event().unwrap().data;
    for (kind, body) in [
        ("application/json", "\u{feff}{\"data\":\"x\"}"),
        ("application/json", "\u{feff} [{\"data\":\"x\"}]"),
        ("application/x-ndjson", "\u{feff}{\"data\":\"x\"}\n"),
        ("application/x-www-form-urlencoded", "\u{feff}data=x"),
    ] {
        assert_eq!(server.post("/events", kind, body).status, 200, "{kind}");
        assert_eq!(data(), "x", "{kind}");
    }
    let form = server.post(
        "/events",
        "application/x-www-form-urlencoded",
        "\u{feff}{\"data\":1}",
    );
    assert_eq!(form.code(), "looks_like_json");
    for (method, kind, body, status) in [
        ("PUT", "application/json", "\u{feff}{\"a\":1}", 201),
        (
            "PATCH",
            "application/merge-patch+json",
            "\u{feff}{\"a\":2}",
            200,
        ),
        ("PATCH", "application/json-patch+json", "\u{feff}[]", 200),
    ] {
        let head = format!("{method} /signals/a HTTP/1.1\nContent-Type: {kind}");
        assert_eq!(
            server.request(&head, body.as_bytes()).status,
            status,
            "{method} {kind}"
        );
    }
    assert_eq!(
        server.post("/events", "text/plain", "\u{feff}x").status,
        200
    );
    assert_eq!(data(), "\u{feff}x", "text is sent as it is");
}
