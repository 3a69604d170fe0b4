//! Which pages may open a socket: browsers send `Origin`, and do not enforce it.

use serde_json::json;

use crate::{support::Server, support::socket::Socket};

/// The code of the refusal of a handshake with these lines.
fn refused(server: &Server, host: &str, lines: &[&str]) -> Option<String> {
    match Socket::try_open(server.connect(), "/ws", host, lines) {
        Ok(mut socket) => {
            socket.until("connected");
            None
        }
        Err(response) => {
            assert_eq!(response.status, 403, "{response:?}");
            let detail = response.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains("--cors-origin"), "{detail}");
            Some(response.code())
        }
    }
}

#[test]
fn a_page_of_another_site_gets_no_socket_unless_its_origin_may_read_or_publish() {
    const OWN: &str = "Origin: http://localhost:8000";
    const READER: &str = "Origin: https://app.example";
    const PUBLISHER: &str = "Origin: https://admin.example";
    const OTHER: &str = "Origin: https://evil.example";
    const HOST: &str = "localhost:8000";
    let foreign = || Some("foreign_page".to_owned());
    let listed = [
        "--cors-origin",
        "https://app.example",
        "--publish-origin",
        "https://admin.example",
    ];
    let alone = Server::start(&[]);
    let listing = Server::start(&listed);
    let open = Server::start(&["--cors-origin", "*"]);
    for server in [&alone, &listing, &open] {
        assert_eq!(refused(server, HOST, &[]), None, "a program");
        assert_eq!(refused(server, HOST, &[OWN]), None, "the own page");
    }
    for other in [
        OTHER,
        READER,
        PUBLISHER,
        "Origin: null",
        "Origin: http://localhost:3000",
        "Origin: http://localhost:8000.evil.example",
        "Origin:",
        "Origin: \u{e9}",
    ] {
        assert_eq!(refused(&alone, HOST, &[other]), foreign(), "{other}");
        assert_eq!(refused(&open, HOST, &[other]), None, "{other}");
    }
    assert_eq!(refused(&listing, HOST, &[READER]), None);
    assert_eq!(refused(&listing, HOST, &[PUBLISHER]), None);
    assert_eq!(refused(&listing, HOST, &[OTHER]), foreign());
    assert_eq!(
        refused(&listing, HOST, &["Origin: http://app.example"]),
        foreign()
    );
    assert_eq!(
        alone.metric("subscribed_total"),
        2,
        "nobody else subscribed"
    );
}

#[test]
fn a_page_that_may_not_publish_gets_the_same_rejection_as_by_post() {
    let origin = "Origin: https://app.example";
    for server in [
        Server::start(&["--cors-origin", "https://app.example"]),
        Server::start(&["--cors-origin", "*", "--allow-anonymous-publish"]),
    ] {
        let head = format!("POST /events HTTP/1.1\nContent-Type: application/json\n{origin}");
        let post = server.raw(&head, "localhost", br#"{"data":"x"}"#).json();
        let mut socket = Socket::try_open(server.connect(), "/ws", "localhost", &[origin])
            .unwrap_or_else(|response| panic!("{response:?}"));
        for _ in 0..2 {
            let response = socket.publish(&json!({ "data": "x", "ref": "r" }));
            let expected = json!({
                "type": "refused", "ref": "r", "status": 403, "code": "foreign_page",
                "detail": post["detail"],
            });
            assert_eq!(response, expected);
        }
        server.publish("default", "sentinel");
        assert_eq!(socket.data(1), ["sentinel"]);
    }
}

#[test]
fn a_rejected_origin_of_a_websocket_is_logged_once_with_the_flag_that_admits_it() {
    let mut server = Server::start(&[]);
    for _ in 0..3 {
        assert!(refused(&server, "localhost", &["Origin: https://evil.example"]).is_some());
    }
    server.wait_for_log("--cors-origin https://evil.example");
    assert_eq!(
        server.log().matches("evil.example").count(),
        2,
        "in one line"
    );
}
