//! A Mercure hub in an application of actix-web and of axum.

use std::{io::Write as _, net::TcpStream};

use serde_json::json;
use sse_broadcaster_access::mint::{NewToken, SigningKey};
use sse_broadcaster_actix::{Access, AppState, Publishers};

use super::server::{HUB_KEY, Server};
use crate::support::{PATIENCE, Response, Stream};

const HUB: &str = "/.well-known/mercure";

fn send(server: &Server, request: &str) -> TcpStream {
    let mut socket = TcpStream::connect(server.address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    socket
}

fn publish(server: &Server, lines: &str, form: &str) -> Response {
    let length = form.len();
    let request = format!(
        "POST {HUB} HTTP/1.1\r\nhost: localhost\r\n{lines}content-type: application/x-www-form-urlencoded\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{form}"
    );
    Response::read(send(server, &request))
}

fn granted(state: AppState) -> AppState {
    state.access(Access::default().publishers(Publishers::Granted))
}

#[test]
fn a_hub_publishes_and_streams_on_actix_and_on_axum() {
    let claims = json!({ "mercure": { "publish": ["*"], "subscribe": ["*"] } });
    let token = NewToken::new(&claims).unwrap();
    let token = token.create(&SigningKey::parse(HUB_KEY).unwrap()).unwrap();
    let lines = format!("authorization: Bearer {token}\r\n");
    for server in [Server::actix(granted), Server::axum(granted)] {
        let subscribe = |method: &str, query: &str, lines: &str, body: &str| {
            let length = body.len();
            let request = format!(
                "{method} {HUB}{query} HTTP/1.1\r\nhost: localhost\r\n{lines}content-length: {length}\r\n\
                 content-type: application/x-www-form-urlencoded\r\n\r\n{body}"
            );
            send(&server, &request)
        };
        let missing = publish(&server, "", "topic=a");
        assert_eq!(missing.status, 401, "{missing:?}");
        assert!(missing.header("www-authenticate").is_some());
        let mut stream = Stream::open(subscribe("GET", "?topic=a%7Bb%7D", &lines, ""));
        let mut by_form = Stream::open(subscribe("QUERY", "", &lines, "match=ac"));
        let response = publish(&server, &lines, "topic=ac&data=x&private=on&id=own");
        assert_eq!(
            (response.status, response.text().as_str()),
            (200, "own"),
            "{response:?}"
        );
        for stream in [&mut stream, &mut by_form] {
            assert_eq!(stream.text_until("\n\n"), ":\nid: own\ndata: x\n\n");
        }
        let resumed = Stream::open(subscribe("GET", "?topic=ac&lastEventID=own", &lines, ""));
        assert_eq!(resumed.header("mercure-last-event-id"), Some("own"));
        let request = |path: &str| {
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{lines}connection: close\r\n\r\n")
        };
        for (path, status) in [
            (
                "/.well-known/oauth-protected-resource/.well-known/mercure",
                200,
            ),
            ("/.well-known/mercure/subscriptions", 404),
            ("/.well-known/mercure/x", 404),
        ] {
            let response = Response::read(send(&server, &request(path)));
            assert_eq!(response.status, status, "{path}: {response:?}");
        }
    }
}
