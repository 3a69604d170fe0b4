//! What all responses that are not streams have in common, and methods that publish nothing.

use crate::support::{ADMIN_PATHS, End, Response, Server};

fn assert_is_problem(response: &Response, status: u16, code: &str) {
    assert_eq!(response.status, status, "{response:?}");
    assert_eq!(
        response.header("content-type"),
        Some("application/problem+json"),
        "{response:?}"
    );
    assert_eq!(
        response.header("cache-control"),
        Some("no-store"),
        "{response:?}"
    );
    assert_eq!(response.code(), code, "{response:?}");
    let problem = response.json();
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
fn head_and_options_respond_at_once_and_publish_nothing() {
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
        let publishes_by_path = path.starts_with("/events/x");
        assert_eq!(allowed.contains("POST"), !publishes_by_path, "{path}");
        assert!(
            ["GET", "HEAD", "OPTIONS"]
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
fn a_connection_is_kept_alive_after_head_and_options() {
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
    let response = server.send((requests + &last).as_bytes());
    let all = response.head + &String::from_utf8_lossy(&response.body);
    assert!(all.starts_with("HTTP/1.1 200 OK\r\n"), "{all}");
}

#[test]
fn every_response_that_is_not_a_stream_has_cache_control_no_store() {
    let server = Server::start(&[]);
    let paths = [
        "/events/x",
        "/none",
        "/events?since=nonsense",
        "/events/%FF",
    ];
    for path in ADMIN_PATHS.iter().chain(&paths) {
        for method in ["GET", "HEAD", "OPTIONS", "DELETE"] {
            let response = server.request(&format!("{method} {path} HTTP/1.1"), b"");
            let is_stream =
                method == "HEAD" && response.header("content-type") == Some("text/event-stream");
            if !is_stream {
                assert_eq!(
                    response.header("cache-control"),
                    Some("no-store"),
                    "{method} {path}: {response:?}"
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
        let response = server.post("/events", kind, r#"{"data":1}"#);
        assert_eq!(
            response.header("cache-control"),
            Some("no-store"),
            "{response:?}"
        );
    }
}

#[test]
fn an_unknown_path_is_a_404_problem_whatever_the_method() {
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
            let response = server.request(&format!("{method} {path} HTTP/1.1"), b"");
            assert_is_problem(&response, 404, "not_found");
        }
        let head = server.request(&format!("HEAD {path} HTTP/1.1"), b"");
        assert_eq!((head.status, head.body.len()), (404, 0), "{head:?}");
    }
}

#[test]
fn a_405_lists_the_methods_that_the_path_allows() {
    let server = Server::start(&[]);
    for method in ["PUT", "DELETE", "PATCH", "TRACE", "BREW", "get"] {
        for (path, allow) in [
            ("/events", "GET, HEAD, POST, OPTIONS"),
            ("/events/", "GET, HEAD, POST, OPTIONS"),
            ("/events/x", "GET, HEAD, OPTIONS"),
        ] {
            let response = server.request(&format!("{method} {path} HTTP/1.1"), b"");
            assert_is_problem(&response, 405, "method_not_allowed");
            assert_eq!(response.header("allow"), Some(allow));
        }
    }
    let response = server.post("/events/x", "text/plain", "x");
    assert_is_problem(&response, 405, "method_not_allowed");
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        for path in ADMIN_PATHS {
            let response = server.request(&format!("{method} {path} HTTP/1.1"), b"");
            assert_is_problem(&response, 405, "method_not_allowed");
            assert_eq!(response.header("allow"), Some("GET, HEAD"), "{path}");
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
fn garbage_as_the_last_event_id_opens_a_stream_with_a_gap() {
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
fn the_page_can_ask_whether_it_may_publish_before_it_does() {
    let about = |args: &[&str]| {
        let server = Server::start(args);
        let response = server.request("POST /page.json HTTP/1.1", b"");
        assert_eq!(response.status, 200, "{response:?}");
        response.json()
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

#[test]
fn a_bad_parameter_is_named_in_the_reason_phrase_which_a_browsers_console_shows() {
    let server = Server::start(&[]);
    let topics: Vec<_> = (0..101).map(|n| format!("topic={n}")).collect();
    let topics = topics.join("&");
    let reason = |path: &str| {
        let response = server.request(
            &format!("GET {path} HTTP/1.1\nAccept: text/event-stream"),
            b"",
        );
        assert_eq!(response.status, 400, "{path}: {response:?}");
        response.head.lines().next().unwrap()["HTTP/1.1 400 ".len()..].to_owned()
    };
    for (query, phrase) in [
        ("since=yesterday", "since takes 10m"),
        ("last=some", "last takes a number"),
        ("until=noon", "until takes head"),
        ("topic={", "a topic is a text"),
        ("topics=a", "a parameter is misspelt"),
        ("format=xml", "invalid_format"),
        (&topics, "a stream has 100 topics at most"),
    ] {
        let path = format!("/events?{query}");
        assert!(reason(&path).starts_with(phrase), "{}", reason(&path));
    }
    assert!(reason("/signals?name[]=a").starts_with("a parameter is misspelt"));
    let refused = server.raw("GET /events HTTP/1.1", "evil.example", b"");
    assert!(
        refused
            .head
            .starts_with("HTTP/1.1 403 the Host is not a name"),
        "{refused:?}"
    );
}

#[test]
fn a_misspelt_parameter_is_rejected_and_names_the_right_one() {
    let server = Server::start(&[]);
    for (path, name, meant) in [
        ("/events", "topics", "topic"),
        ("/events", "topic[]", "topic"),
        ("/events", "topic%5B0%5D", "topic"),
        ("/events/", "Topic", "topic"),
        ("/events", "last-event-id", "last_event_id"),
        ("/events", "sinse", "since"),
        ("/signals", "names", "name"),
        ("/signals", "name[]", "name"),
    ] {
        for accept in ["text/event-stream", "*/*", "application/json"] {
            let head = format!("GET {path}?{name}=a HTTP/1.1\nAccept: {accept}");
            let response = server.request(&head, b"");
            assert_is_problem(&response, 400, "unknown_parameter");
            let detail = response.json()["detail"].to_string();
            assert!(detail.contains(&format!("write {meant},")), "{detail}");
        }
    }
    let other = "/events?topic=a&datastar=%7B%7D&access_token=x&_=1&list=2&user[name]=a";
    assert!(server.subscribe(other).header("event-head").is_some());
}

#[test]
fn every_response_has_x_content_type_options_nosniff() {
    let server = Server::start(&[]);
    server.request(
        "PUT /signals/a HTTP/1.1\nContent-Type: application/json",
        b"1",
    );
    for head in [
        "GET / HTTP/1.1",
        "GET /page.js HTTP/1.1",
        "GET /metrics HTTP/1.1",
        "GET /health/live HTTP/1.1",
        "GET /nothing HTTP/1.1",
        "HEAD /events HTTP/1.1",
        "OPTIONS /events HTTP/1.1",
        "DELETE /events HTTP/1.1",
        "GET /events/hello HTTP/1.1",
        "GET /events?since=x HTTP/1.1",
        "GET /events HTTP/1.1\nAccept: application/json",
        "POST /events HTTP/1.1\nContent-Type: image/png",
        "POST /events HTTP/1.1",
        "GET /signals/a HTTP/1.1",
        "GET /signals/none HTTP/1.1",
        "GET /signals HTTP/1.1",
        "GET /topics HTTP/1.1",
        "GET /ws HTTP/1.1",
    ] {
        let response = server.request(head, b"");
        assert_eq!(
            response.header("x-content-type-options"),
            Some("nosniff"),
            "{head}"
        );
        assert_eq!(response.head.matches("nosniff").count(), 1, "{head}");
    }
    for path in ["/events", "/signals?name=a"] {
        let stream = server.subscribe(path);
        assert_eq!(stream.header("x-content-type-options"), Some("nosniff"));
    }
}

#[test]
fn json_responses_end_with_a_line_break_for_terminals() {
    let server = Server::start(&[]);
    for response in [
        server.post("/events", "application/json", r#"{"data":1}"#),
        server.post("/events", "application/json", r#"[{"data":1}]"#),
        server.get("/events?since=nonsense"),
        server.get("/none"),
        server.get("/health/live"),
        server.get("/health/ready"),
        server.get("/topics"),
    ] {
        assert!(response.text().ends_with("}\n"), "{response:?}");
        assert!(response.json().is_object(), "{response:?}");
    }
}
