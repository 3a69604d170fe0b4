//! What every answer that is not a stream has in common, and methods that publish nothing.

use crate::support::{Answer, End, Server};

fn assert_is_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json"),
        "{answer:?}"
    );
    assert_eq!(
        answer.header("cache-control"),
        Some("no-store"),
        "{answer:?}"
    );
    assert_eq!(answer.code(), code, "{answer:?}");
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    for member in ["type", "title", "detail"] {
        assert!(
            problem[member]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{member}"
        );
    }
}

#[test]
fn head_and_options_answer_at_once_and_publish_nothing() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events?topic=*");
    stream.until("connected");
    for path in [
        "/events",
        "/events/",
        "/events/x",
        "/events/x?topic=a",
        "/events?topic=a",
    ] {
        let head = server.request(&format!("HEAD {path} HTTP/1.1"), b"");
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        let options = server.request(&format!("OPTIONS {path} HTTP/1.1"), b"");
        assert_eq!((options.status, options.body.len()), (204, 0), "{path}");
        assert_eq!(options.header("cache-control"), Some("no-store"));
        let allowed = options.header("allow").expect("what is allowed");
        assert!(
            ["GET", "HEAD", "POST", "OPTIONS"]
                .iter()
                .all(|method| allowed.contains(method))
        );
    }
    let head = server.request("HEAD /events HTTP/1.1", b"");
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    let head = server.request("HEAD /events/x HTTP/1.1", b"");
    assert_eq!(head.header("cache-control"), Some("no-store"));
    server.publish("default", "sentinel");
    assert_eq!(stream.event().unwrap().data, "sentinel");
}

#[test]
fn a_connection_lives_on_after_head_and_options() {
    let server = Server::start(&[]);
    let host = server.address;
    let requests = [
        "HEAD /events/x",
        "OPTIONS /events",
        "HEAD /events/x",
        "OPTIONS /events/x",
    ]
    .map(|line| format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    .concat();
    let last = format!("GET /health/live HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let answer = server.send((requests + &last).as_bytes());
    let all = answer.head + &String::from_utf8_lossy(&answer.body);
    assert!(all.starts_with("HTTP/1.1 200 OK\r\n"), "{all}");
}

#[test]
fn every_answer_that_is_not_a_stream_is_not_to_be_stored() {
    let server = Server::start(&[]);
    let paths = [
        "/",
        "/page.css",
        "/page.js",
        "/page/stream.js",
        "/metrics",
        "/health/live",
        "/health/ready",
        "/events/x",
        "/none",
        "/events?since=nonsense",
        "/events/%FF",
    ];
    for path in paths {
        for method in ["GET", "HEAD", "OPTIONS", "DELETE"] {
            let answer = server.request(&format!("{method} {path} HTTP/1.1"), b"");
            let is_stream =
                method == "HEAD" && answer.header("content-type") == Some("text/event-stream");
            if !is_stream {
                assert_eq!(
                    answer.header("cache-control"),
                    Some("no-store"),
                    "{method} {path}: {answer:?}"
                );
            }
        }
    }
    for kind in [
        "text/plain",
        "application/json",
        "application/x-ndjson",
        "image/png",
    ] {
        let answer = server.post("/events", kind, r#"{"data":1}"#);
        assert_eq!(
            answer.header("cache-control"),
            Some("no-store"),
            "{answer:?}"
        );
    }
}

#[test]
fn what_is_not_there_is_a_problem_whatever_the_method() {
    let server = Server::start(&[]);
    for path in [
        "/none",
        "/event",
        "/eventsx",
        "/health",
        "/health/",
        "/metrics/",
        "/page.css/x",
        "//",
        "/..",
        "/%00",
    ] {
        for method in ["GET", "POST", "PUT", "OPTIONS", "BREW"] {
            let answer = server.request(&format!("{method} {path} HTTP/1.1"), b"");
            assert_is_problem(&answer, 404, "not_found");
        }
        let head = server.request(&format!("HEAD {path} HTTP/1.1"), b"");
        assert_eq!((head.status, head.body.len()), (404, 0), "{head:?}");
    }
}

#[test]
fn a_method_that_is_not_for_an_address_is_told_which_are() {
    let server = Server::start(&[]);
    for method in ["PUT", "DELETE", "PATCH", "TRACE", "BREW", "get"] {
        for path in ["/events", "/events/", "/events/x"] {
            let answer = server.request(&format!("{method} {path} HTTP/1.1"), b"");
            assert_is_problem(&answer, 405, "method_not_allowed");
            assert_eq!(answer.header("allow"), Some("GET, HEAD, POST, OPTIONS"));
        }
    }
    let answer = server.post("/events/x", "text/plain", "x");
    assert_is_problem(&answer, 405, "method_not_allowed");
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        for path in [
            "/",
            "/page.css",
            "/page.js",
            "/page/stream.js",
            "/metrics",
            "/health/live",
            "/health/ready",
        ] {
            let answer = server.request(&format!("{method} {path} HTTP/1.1"), b"");
            assert_is_problem(&answer, 405, "method_not_allowed");
            assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{path}");
        }
    }
}

#[test]
fn a_subscription_that_can_never_work_is_a_problem() {
    let server = Server::start(&[]);
    let cases = [
        ("topic=a*", "invalid_topic"),
        ("topic=%7Ba%7D", "invalid_topic"),
        ("topic=a%0Ab", "invalid_topic"),
        ("topic=a%00b", "invalid_topic"),
        ("since=yesterday", "invalid_since"),
        ("since=10", "invalid_since"),
        ("since=1795903214734935", "invalid_since"),
        ("since=2026-11-28T22:00:14[Europe/Paris]", "invalid_since"),
        ("last=-1", "invalid_last"),
        ("last=some", "invalid_last"),
        ("format=xml", "invalid_format"),
        ("until=noon", "invalid_until"),
        ("heartbeat=15", "invalid_heartbeat"),
    ];
    for (query, code) in cases {
        for path in ["/events", "/events/"] {
            assert_is_problem(&server.get(&format!("{path}?{query}")), 400, code);
        }
    }
    let long = server.get(&format!("/events?topic={}", "x".repeat(257)));
    assert_is_problem(&long, 400, "invalid_topic");
}

#[test]
fn garbage_as_the_last_id_is_answered_by_a_stream_and_a_gap() {
    let server = Server::start(&[]);
    server.publish("default", "x");
    let ids: [&[u8]; 9] = [
        b"garbage",
        b"1-1",
        b"99999999999999-0",
        b"-",
        b"\xff\xfe\x80",
        b"0",
        b"1-99999999999999999999999",
        b"{\"a\":1}",
        b"*",
    ];
    for id in ids {
        let head = b"GET /events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: ";
        let request = [head, id, b"\r\n\r\n"].concat();
        let mut socket = server.connect();
        std::io::Write::write_all(&mut socket, &request).unwrap();
        let mut stream = crate::support::Stream::open(socket);
        assert_eq!(stream.next().unwrap().name, "gap", "{id:?}");
        assert_eq!(stream.next().unwrap().name, "connected", "{id:?}");
    }
    for id in ["garbage", "%FF%FE", "%00", "%0A%0Ddata:%20x"] {
        let mut stream = server.subscribe(&format!("/events?last_event_id={id}"));
        let gap = stream.next().unwrap();
        assert_eq!(gap.name, "gap", "{id:?}");
        assert_eq!(stream.next().unwrap().name, "connected", "{id:?}");
    }
    let mut stream = server.subscribe(&format!("/events?last_event_id={}", "x".repeat(60_000)));
    assert_eq!(stream.next().unwrap().name, "gap");
    assert_eq!(stream.end, None::<End>);
}

#[test]
fn the_page_can_ask_before_it_publishes_whether_it_may() {
    let about = |args: &[&str]| {
        let server = Server::start(args);
        let answer = server.request("POST /page.json HTTP/1.1", b"");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    };
    assert_eq!(about(&[])["publish"], "open");
    assert_eq!(
        about(&["--publish-key", "s3cret-of-sixteen"])["publish"],
        "key"
    );
    let off = about(&["--no-publish"]);
    assert_eq!(off["publish"], "refused");
    assert_eq!(off["code"], "publishing_disabled");

    let server = Server::start(&[]);
    let proxied = server.request("POST /page.json HTTP/1.1\nX-Forwarded-For: 192.0.2.1", b"");
    assert_eq!(proxied.json()["code"], "not_local");
    let mut stream = server.subscribe("/events?topic=*");
    stream.until("connected");
    server.request("POST /page.json HTTP/1.1", b"published?");
    server.publish("default", "sentinel");
    assert_eq!(stream.event().unwrap().data, "sentinel");
}
