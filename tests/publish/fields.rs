//! Names, idempotency keys, topics and reconnection times that are not valid.

use crate::{
    publish::refused::{Refused, Witness, assert_is_problem, check_all},
    support::Server,
};

/// The names of the fields that end up on a line of their own, with the code of their refusal.
const LINES: [(&str, &str); 3] = [
    ("event", "invalid_event"),
    ("id", "invalid_id"),
    ("topic", "invalid_topic"),
];

#[test]
fn line_ends_and_nul_in_a_field_of_a_line_are_rejected_in_json() {
    let mut cases = Vec::new();
    for (field, code) in LINES {
        for escape in [
            r"\r", r"\n", r"\r\n", r"\u0000", r"\u000a", r"\u0085", r"\u007f", r"\t",
        ] {
            let text = format!(r#"{{"data":"x","{field}":"a{escape}b"}}"#);
            cases.push(Refused::json(text.clone(), 422, code));
            cases.push(Refused::json(
                format!("[{{\"data\":\"good\"}},{text}]"),
                422,
                code,
            ));
        }
        for raw in ["\r", "\n", "\0"] {
            let text = format!(r#"{{"data":"x","{field}":"a{raw}b"}}"#);
            cases.push(Refused::json(text, 400, "invalid_json"));
        }
    }
    for escape in [r"\r", r"\n", r"\u0000"] {
        let text = format!(r#"{{"data":"x","topics":["good","a{escape}b"]}}"#);
        cases.push(Refused::json(text, 422, "invalid_topic"));
        let text = format!(r#"{{"data":"x","retry":"5{escape}"}}"#);
        cases.push(Refused::json(text, 422, "invalid_retry"));
    }
    check_all(&Server::start(&[]), cases);
}

#[test]
fn line_ends_and_nul_in_a_field_of_a_line_are_rejected_in_forms() {
    let mut cases = Vec::new();
    for (field, code) in LINES.into_iter().chain([("retry", "invalid_retry")]) {
        for bad in ["%0D", "%0A", "%0d%0a", "%00", "\r", "\n", "\r\n", "\0"] {
            cases.push(Refused::form(format!("data=x&{field}=5{bad}"), 422, code));
            cases.push(Refused::form(format!("{field}={bad}5&data=x"), 422, code));
        }
    }
    check_all(&Server::start(&[]), cases);
}

#[test]
fn line_ends_and_nul_in_a_field_of_a_line_are_rejected_in_the_query() {
    let mut cases = Vec::new();
    for (field, code) in LINES.into_iter().chain([("retry", "invalid_retry")]) {
        for bad in ["%0D", "%0A", "%0d%0a", "%00"] {
            cases.extend(Refused::query(&format!("?{field}=5{bad}"), 422, code));
        }
    }
    check_all(&Server::start(&[]), cases);
}

#[test]
fn raw_line_ends_and_nul_in_a_request_line_publish_nothing() {
    let server = Server::start(&[]);
    let mut witness = Witness::of(&server);
    for bad in ["\r", "\n", "\0", "\r\n"] {
        for path in [
            format!("/events/a{bad}b"),
            format!("/events/x?topic=a{bad}b"),
        ] {
            let host = server.address;
            let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let response = server.send(request.as_bytes());
            assert_eq!(response.status, 400, "{path:?}: {response:?}");
        }
    }
    witness.saw_nothing(&server);
}

#[test]
fn the_names_of_the_servers_own_events_are_reserved() {
    let mut cases = Vec::new();
    for name in ["connected", "gap", "position"] {
        cases.extend(Refused::field("event", name, "reserved_event"));
    }
    check_all(&Server::start(&[]), cases);
}

#[test]
fn topics_that_nobody_can_publish_to_are_rejected() {
    let mut cases = Vec::new();
    let topics = [
        ("*", "%2A", "invalid_topic"),
        ("a*b", "a%2Ab", "invalid_topic"),
        ("{a}", "%7Ba%7D", "invalid_topic"),
        ("a/{b", "a/%7Bb", "invalid_topic"),
        ("$", "%24", "reserved_topic"),
        ("$system/clients", "%24system/clients", "reserved_topic"),
    ];
    for (topic, encoded, code) in topics {
        cases.push(Refused::json(
            format!(r#"{{"data":"x","topic":"{topic}"}}"#),
            422,
            code,
        ));
        cases.push(Refused::json(
            format!(r#"{{"data":"x","topics":["a","{topic}"]}}"#),
            422,
            code,
        ));
        cases.push(Refused::form(format!("data=x&topic={encoded}"), 422, code));
        cases.extend(Refused::query(&format!("?topic={encoded}"), 422, code));
    }
    cases.push(Refused::json(
        r#"{"data":"x","topic":""}"#,
        422,
        "invalid_topic",
    ));
    cases.push(Refused::json(
        r#"{"data":"x","topics":[""]}"#,
        422,
        "invalid_topic",
    ));
    check_all(&Server::start(&[]), cases);
}

#[test]
fn names_longer_than_256_bytes_are_rejected() {
    let mut cases = Vec::new();
    // The second is 86 characters, which are 258 bytes.
    for long in ["x".repeat(257), "€".repeat(86)] {
        for (field, code) in LINES {
            cases.push(Refused::json(
                format!(r#"{{"data":"x","{field}":"{long}"}}"#),
                422,
                code,
            ));
            cases.push(Refused::form(format!("data=x&{field}={long}"), 422, code));
        }
    }
    for (field, code) in LINES {
        cases.extend(Refused::query(
            &format!("?{field}={}", "x".repeat(257)),
            422,
            code,
        ));
        cases.extend(Refused::query(
            &format!("?{field}={}", "%E2%82%AC".repeat(86)),
            422,
            code,
        ));
    }
    check_all(&Server::start(&[]), cases);
}

#[test]
fn names_of_256_bytes_are_accepted() {
    let server = Server::start(&[]);
    let (topic, event) = ("t".repeat(256), "e".repeat(256));
    let mut stream = server.subscribe(&format!("/events?topic={topic}"));
    let query = format!("?topic={topic}&event={event}&id={}", "i".repeat(256));
    let response = server.post(&format!("/events{query}"), "text/plain", "x");
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(stream.event().unwrap().name, event);
}

#[test]
fn a_reconnection_time_is_a_whole_number_of_milliseconds_up_to_a_day() {
    let code = "invalid_retry";
    let mut cases = Vec::new();
    for bad in [
        "-1",
        "1.5",
        "1e3",
        "86400001",
        "99999999999999999999",
        "\"5\"",
        "true",
        "[]",
    ] {
        cases.push(Refused::json(
            format!(r#"{{"data":"x","retry":{bad}}}"#),
            422,
            code,
        ));
    }
    for bad in [
        "-1",
        "1.5",
        "1e3",
        "86400001",
        "99999999999999999999",
        "soon",
        "%2B5",
        "+5",
        "0x5",
        "5%20",
    ] {
        cases.push(Refused::form(format!("data=x&retry={bad}"), 422, code));
        cases.extend(Refused::query(&format!("?retry={bad}"), 422, code));
    }
    let server = Server::start(&[]);
    check_all(&server, cases);
    for good in ["0", "86400000"] {
        let response = server.get(&format!("/events/x?retry={good}"));
        assert_eq!(response.status, 200, "{response:?}");
    }
}

#[test]
fn an_idempotency_key_never_looks_like_a_position() {
    let mut cases = Vec::new();
    for bad in [
        "1-1",
        "0-0",
        "1732176000000-42",
        "00-99999999999999999999999",
    ] {
        cases.extend(Refused::field("id", bad, "invalid_id"));
    }
    cases.push(Refused::json(r#"{"data":"x","id":""}"#, 422, "invalid_id"));
    check_all(&Server::start(&[]), cases);
}

#[test]
fn more_than_a_hundred_topics_are_rejected() {
    let many = |between: &str, count: usize| {
        let topics = (0..count).map(|index| format!("t{index}"));
        topics.collect::<Vec<_>>().join(between)
    };
    let (code, list) = ("too_many_topics", many("\",\"", 101));
    let pairs = format!("topic={}", many("&topic=", 101));
    let mut cases = vec![
        Refused::json(format!(r#"{{"data":"x","topics":["{list}"]}}"#), 422, code),
        Refused::form(format!("data=x&{pairs}"), 422, code),
    ];
    cases.extend(Refused::query(&format!("?{pairs}"), 422, code));
    let server = Server::start(&[]);
    check_all(&server, cases);

    let subscribed = server.get(&format!("/events?{pairs}"));
    assert_eq!(
        (subscribed.status, subscribed.code()),
        (400, code.to_owned())
    );
    assert_is_problem(&subscribed, "101 topics asked for");
    let hundred = format!("/events/x?topic={}", many("&topic=", 100));
    assert_eq!(server.get(&hundred).status, 200);
}
