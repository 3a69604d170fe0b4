//! Handshakes, and the responses to those that are rejected.

use crate::{
    support::socket::{Socket, UPGRADE},
    support::{Response, Server},
};

fn ask(server: &Server, first: &str, lines: &[&str]) -> Response {
    let lines = lines.join("\r\n");
    let request = format!("{first}\r\nHost: localhost\r\n{lines}\r\n\r\n");
    server.send(request.as_bytes())
}

#[test]
fn a_request_without_a_handshake_gets_426_with_what_is_needed() {
    let server = Server::start(&[]);
    let without = |left_out: &str| -> Vec<&str> {
        let lines = UPGRADE.iter().filter(|line| !line.starts_with(left_out));
        lines.copied().chain(["X-Other: 1"]).collect()
    };
    let older = [&UPGRADE[..2], &["Sec-WebSocket-Version: 8", UPGRADE[3]]].concat();
    let key = [&UPGRADE[..3], &["Sec-WebSocket-Key: short"]].concat();
    for (first, lines) in [
        ("GET /ws HTTP/1.1", vec!["Connection: close"]),
        ("GET /ws HTTP/1.1", without("Upgrade")),
        ("GET /ws HTTP/1.1", without("Sec-WebSocket-Version")),
        ("GET /ws HTTP/1.1", without("Sec-WebSocket-Key")),
        ("GET /ws HTTP/1.1", older),
        ("GET /ws HTTP/1.1", key),
        ("GET /ws HTTP/1.0", UPGRADE.to_vec()),
    ] {
        let response = ask(&server, first, &lines);
        assert_eq!(
            (response.status, response.code().as_str()),
            (426, "upgrade_required")
        );
        assert_eq!(
            response.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(
            response.header("upgrade"),
            Some("websocket"),
            "{response:?}"
        );
        assert_eq!(response.header("sec-websocket-version"), Some("13"));
        assert!(
            response.text().contains("/events"),
            "it says where else to read"
        );
    }
    assert_eq!(server.metric("subscribed_total"), 0);
}

#[test]
fn the_websocket_route_allows_get_only() {
    let server = Server::start(&[]);
    for method in ["POST", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        let response = ask(
            &server,
            &format!("{method} /ws HTTP/1.1"),
            &["Connection: close"],
        );
        assert_eq!(response.status, 405, "{method}");
        assert_eq!(response.header("allow"), Some("GET"));
    }
}

#[test]
fn an_invalid_subscription_is_rejected_before_the_handshake() {
    let server = Server::start(&[]);
    for (query, code) in [
        ("topic=a%7Bb", "invalid_topic"),
        ("since=yesterday", "invalid_since"),
        ("last=some", "invalid_last"),
        ("format=xml", "invalid_format"),
        ("format=sse", "invalid_format"),
        ("until=noon", "invalid_until"),
        ("heartbeat=15", "invalid_heartbeat"),
    ] {
        let path = format!("/ws?{query}");
        let opened = Socket::try_open(server.connect(), &path, "localhost", &[]);
        let response = opened.err().expect("a refusal");
        assert_eq!(
            (response.status, response.code().as_str()),
            (400, code),
            "{query}"
        );
    }
}

#[test]
fn a_handshake_may_be_a_later_request_of_its_connection_and_come_in_pieces() {
    use std::io::{Read as _, Write as _};
    let server = Server::start(&[]);
    let mut connection = server.connect();
    connection
        .write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut response = Vec::new();
    while !response.ends_with(b"{\"status\":\"live\"}\n") {
        let mut byte = [0];
        connection.read_exact(&mut byte).unwrap();
        response.push(byte[0]);
    }
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: localhost\r\n{}\r\n\r\n",
        UPGRADE.join("\r\n")
    );
    for byte in request.as_bytes() {
        connection.write_all(&[*byte]).unwrap();
    }
    let mut start = [0; 12];
    connection.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 101");
}

#[test]
fn a_known_subprotocol_is_chosen_from_those_that_are_offered() {
    let server = Server::start(&[]);
    let chosen = |offered: &str| {
        let lines = [format!("Sec-WebSocket-Protocol: {offered}")];
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let socket = Socket::try_open(server.connect(), "/ws", "localhost", &lines);
        let head = socket
            .unwrap_or_else(|response| panic!("{response:?}"))
            .head
            .to_lowercase();
        let line = head
            .lines()
            .find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
        line.map(str::to_owned)
    };
    for (offered, expected) in [
        ("sse-broadcaster.v1", Some("sse-broadcaster.v1")),
        ("graphql-ws, sse-broadcaster", Some("sse-broadcaster")),
        (
            "sse-broadcaster,sse-broadcaster.v1",
            Some("sse-broadcaster"),
        ),
        ("graphql-ws", None),
    ] {
        assert_eq!(chosen(offered).as_deref(), expected, "{offered}");
    }
}
