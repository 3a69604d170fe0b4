//! What pages of other origins may read, and the responses to preflights.

use crate::support::{Response, Server};

const APP: &str = "https://app.example.com";

fn read(server: &Server, origin: &str) -> Option<String> {
    let stream = server.subscribe_with("/events", &format!("Origin: {origin}"));
    stream
        .header("access-control-allow-origin")
        .map(str::to_owned)
}

fn preflight(server: &Server, path: &str, origin: &str, method: &str) -> Response {
    let head = format!(
        "OPTIONS {path} HTTP/1.1\nOrigin: {origin}\nAccess-Control-Request-Method: {method}"
    );
    let response = server.request(&head, b"");
    assert_eq!(response.status, 204, "{response:?}");
    assert_eq!(response.header("cache-control"), Some("no-store"));
    response
}

/// Whether a list such as `GET, POST` holds this word.
fn lists(response: &Response, header: &str, word: &str) -> bool {
    let list = response.header(header).unwrap_or("");
    list.split(',')
        .any(|listed| listed.trim().eq_ignore_ascii_case(word))
}

#[test]
fn an_admitted_origin_is_compared_exactly_and_reads_with_credentials() {
    let server = Server::start(&["--cors-origin", "https://app.example.com/"]);
    let stream = server.subscribe_with("/events", &format!("Origin: {APP}"));
    assert_eq!(stream.header("access-control-allow-origin"), Some(APP));
    assert_eq!(
        stream.header("access-control-allow-credentials"),
        Some("true")
    );
    assert!(
        stream.head.contains("\r\nvary: Origin\r\n"),
        "{}",
        stream.head
    );
    for other in [
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://example.com",
        "null",
    ] {
        assert_eq!(read(&server, other), None, "{other}");
    }
    let second = Server::start(&["--cors-origin", "https://a.example", "--cors-origin", APP]);
    assert_eq!(read(&second, APP).as_deref(), Some(APP));
}

#[test]
fn a_star_lets_every_origin_read_without_credentials() {
    let server = Server::start(&["--cors-origin", "*"]);
    let stream = server.subscribe_with("/events", "Origin: https://any.example");
    assert_eq!(stream.header("access-control-allow-origin"), Some("*"));
    assert_eq!(stream.header("access-control-allow-credentials"), None);
    let response = preflight(&server, "/events", "https://any.example", "GET");
    assert_eq!(response.header("access-control-allow-origin"), Some("*"));
}

#[test]
fn cors_headers_are_sent_for_format_json_and_head_requests() {
    let server = Server::start(&["--cors-origin", APP]);
    let stream = server.subscribe_with("/events?format=json", &format!("Origin: {APP}"));
    assert_eq!(stream.header("access-control-allow-origin"), Some(APP));
    let head = server.request(&format!("HEAD /events HTTP/1.1\nOrigin: {APP}"), b"");
    assert_eq!(head.header("access-control-allow-origin"), Some(APP));
}

#[test]
fn a_preflight_allows_the_headers_of_a_stream() {
    let server = Server::start(&["--cors-origin", APP]);
    for path in ["/events", "/events/", "/events?topic=a"] {
        let response = preflight(&server, path, APP, "GET");
        assert_eq!(response.header("access-control-allow-origin"), Some(APP));
        assert!(
            lists(&response, "access-control-allow-methods", "GET"),
            "{response:?}"
        );
        for header in [
            "last-event-id",
            "cache-control",
            "authorization",
            "datastar-request",
            "hx-request",
        ] {
            assert!(
                lists(&response, "access-control-allow-headers", header),
                "{header}"
            );
        }
        assert!(response.header("access-control-max-age").is_some());
    }
}

#[test]
fn an_origin_that_may_read_may_not_publish() {
    let server = Server::start(&["--cors-origin", APP, "--cors-origin", "*"]);
    let mut stream = server.subscribe("/events");
    stream.until("connected");
    let response = preflight(&server, "/events", APP, "POST");
    assert_eq!(response.header("access-control-allow-origin"), None);
    for request in [
        "POST /events HTTP/1.1\nContent-Type: text/plain",
        "GET /events/x HTTP/1.1",
    ] {
        let response = server.request(&format!("{request}\nOrigin: {APP}"), b"x");
        assert_eq!(
            (response.status, response.code().as_str()),
            (403, "foreign_page")
        );
        assert_eq!(response.header("access-control-allow-origin"), None);
    }
    server.publish("default", "sentinel");
    assert_eq!(stream.event().unwrap().data, "sentinel");
}

#[test]
fn a_preflight_allows_the_headers_of_a_publish_and_the_page_may_read_the_response() {
    let server = Server::start(&["--publish-origin", APP]);
    let response = preflight(&server, "/events", APP, "POST");
    assert_eq!(response.header("access-control-allow-origin"), Some(APP));
    assert!(lists(&response, "access-control-allow-methods", "POST"));
    for header in ["content-type", "authorization"] {
        assert!(
            lists(&response, "access-control-allow-headers", header),
            "{header}"
        );
    }
    let other = preflight(&server, "/events", "https://evil.example", "POST");
    assert_eq!(other.header("access-control-allow-origin"), None);

    let head = format!("POST /events HTTP/1.1\nContent-Type: application/json\nOrigin: {APP}");
    for (body, status) in [(&br#"{"data":"x"}"#[..], 200), (b"{}", 422)] {
        let response = server.request(&head, body);
        assert_eq!(response.status, status);
        assert_eq!(
            response.header("access-control-allow-origin"),
            Some(APP),
            "{response:?}"
        );
        assert!(lists(
            &response,
            "access-control-expose-headers",
            "event-id"
        ));
        assert_eq!(response.header("vary"), Some("Origin"));
    }
}

#[test]
fn a_page_may_read_why_its_publish_key_was_rejected() {
    let server = Server::start(&[
        "--publish-origin",
        APP,
        "--publish-key",
        "s3cret-of-sixteen",
    ]);
    let response = preflight(&server, "/events", APP, "POST");
    assert_eq!(response.header("access-control-allow-origin"), Some(APP));
    let refused = server.request(&format!("POST /events HTTP/1.1\nOrigin: {APP}"), b"x");
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (401, "key_missing")
    );
    assert_eq!(refused.header("access-control-allow-origin"), Some(APP));
}

#[test]
fn a_rejected_origin_is_logged_once_with_the_flag_that_would_admit_it() {
    let mut server = Server::start(&[]);
    for origin in [
        "https://a.example",
        "https://a.example",
        "https://a.example",
        "https://b.example",
    ] {
        assert_eq!(read(&server, origin), None);
    }
    let own = format!("http://{}", server.address);
    assert_eq!(read(&server, &own), None);
    read(&server, "https://c.example\t--no-such-line");
    server.wait_for_log("--cors-origin https://b.example");
    server.wait_for_log("--cors-origin https://c.example");
    let log = server.log();
    assert_eq!(
        log.matches("--cors-origin https://a.example").count(),
        1,
        "{log}"
    );
    assert!(!log.contains(&format!("--cors-origin {own}")), "{log}");
    assert!(!log.contains('\t'), "{log:?}");
}

#[test]
fn rejected_origins_are_logged_cut_to_a_length_and_up_to_a_number() {
    let mut server = Server::start(&[]);
    let padding = "x".repeat(100_000);
    for number in 0..130 {
        let origin = format!("https://{number}.example{padding}");
        assert_eq!(read(&server, &origin), None);
        assert_eq!(read(&server, &origin), None);
    }
    server.wait_for_log("further ones are not logged");
    let other = ["Origin: https://a.example\n", "Origin: \u{1b}]0;x\n"];
    for lines in other {
        server.request(&format!("GET /signals/a HTTP/1.1\n{lines}"), b"");
    }
    let response = server.request(&format!("GET /ws HTTP/1.1\nOrigin: https://{padding}"), b"");
    assert_eq!(response.code(), "foreign_page");
    assert!(response.body.len() < 2_000, "{response:?}");
    let log = server.log();
    assert_eq!(log.matches("may not read").count(), 100);
    assert!(log.lines().all(|line| line.len() < 1_000), "{log}");
}

#[test]
fn a_preflight_of_an_admitted_origin_allows_the_headers_that_it_asks_for() {
    let server = Server::start(&["--cors-origin", APP]);
    let asks = |origin: &str, headers: &str| {
        let head = format!(
            "OPTIONS /events HTTP/1.1\nOrigin: {origin}\nAccess-Control-Request-Method: GET\n{headers}"
        );
        let response = server.request(&head, b"");
        let allowed = response.header("access-control-allow-headers");
        (
            allowed.map(str::to_owned),
            response.header("vary").map(str::to_owned),
        )
    };
    let list = "authorization,traceparent,x-request-id";
    let (allowed, vary) = asks(APP, &format!("Access-Control-Request-Headers: {list}"));
    assert_eq!(allowed.as_deref(), Some(list));
    assert_eq!(
        vary.as_deref(),
        Some("Origin, Access-Control-Request-Headers")
    );
    assert_eq!(
        asks(
            "https://b.example",
            &format!("Access-Control-Request-Headers: {list}")
        )
        .0,
        None
    );
    let usual = asks(APP, "").0.unwrap();
    assert!(usual.contains("last-event-id"), "{usual}");
    let long = "x".repeat(5_000);
    for bad in ["a b", "a,,b", "*/*", "a;b", &long] {
        let (allowed, _) = asks(APP, &format!("Access-Control-Request-Headers: {bad}"));
        assert_eq!(allowed.as_deref(), Some(usual.as_str()), "{bad}");
    }
}
