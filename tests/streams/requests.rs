//! Several requests on one connection: where one ends, and whether another may follow.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use crate::support::{Server, Stream, has_ordinary_streams};

/// What the JDK's `HttpClient` sends with each request, unless it is told not to.
const H2C: &str = "Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n\
                   Upgrade: h2c\r\n";
const OFFERS: [&str; 5] = [
    H2C,
    "Upgrade: h2c\r\nConnection: upgrade\r\n",
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    "Connection: keep-alive, Upgrade\r\nUpgrade: TLS/1.2, HTTP/2.0\r\n",
    "Upgrade: websocket\r\n",
];

/// With streams on sockets of ours, and with none.
fn servers(settings: &[&str]) -> Vec<Server> {
    let mut servers = vec![Server::start(settings)];
    if !has_ordinary_streams() {
        servers.push(Server::start(&[settings, &["--no-direct"]].concat()));
    }
    servers
}

fn post(lines: &str, data: &str) -> String {
    let length = data.len();
    format!(
        "POST /events HTTP/1.1\r\nHost: localhost\r\n{lines}Content-Length: {length}\r\n\r\n{data}"
    )
}

/// A head in lower case, and its body.
fn response(socket: &mut TcpStream) -> (String, String) {
    let (head, body) = response_as_sent(socket);
    (head.to_lowercase(), body)
}

/// A head and its body, by its length.
pub fn response_as_sent(socket: &mut TcpStream) -> (String, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).expect("a whole head");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head
        .to_lowercase()
        .split("content-length: ")
        .nth(1)
        .map_or(0, |rest| rest.split('\r').next().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    socket.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

#[test]
fn an_offered_upgrade_is_ignored_and_the_connection_kept() {
    for server in servers(&[]) {
        for offer in OFFERS {
            let mut socket = server.connect();
            let requests = [
                post(offer, "a"),
                post(offer, ""),
                format!(
                    "POST /events HTTP/1.1\r\nHost: localhost\r\n{offer}Transfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\r\n\r\n"
                ),
                format!("GET /events/c HTTP/1.1\r\nHost: localhost\r\n{offer}\r\n"),
                format!(
                    "PUT /signals/a HTTP/1.1\r\nHost: localhost\r\n{offer}Content-Type: application/json\r\nContent-Length: 1\r\n\r\n1"
                ),
                format!("GET /health/live HTTP/1.1\r\nHost: localhost\r\n{offer}\r\n"),
                post("", "d"),
            ];
            for request in &requests {
                socket.write_all(request.as_bytes()).unwrap();
                let (head, _) = response(&mut socket);
                assert!(head.starts_with("http/1.1 20"), "{request}: {head}");
                assert!(!head.contains("\r\nconnection:"), "{request}: {head}");
            }
            // And byte by byte, so that it is cut anywhere.
            for byte in post(offer, "e").bytes() {
                socket.write_all(&[byte]).unwrap();
            }
            assert!(response(&mut socket).0.starts_with("http/1.1 200"));
            socket
                .write_all(
                    format!("GET /events HTTP/1.1\r\nHost: localhost\r\n{offer}\r\n").as_bytes(),
                )
                .unwrap();
            Stream::open(socket).until("connected");
            let mut stream = server.subscribe_with("/events", offer.trim_end());
            assert_eq!(stream.header("connection"), None, "{offer}");
            stream.until("connected");
        }
        assert_eq!(
            server.metric("published_events_total"),
            6 * OFFERS.len() as u64 + 1
        );
    }
}

#[test]
fn nothing_after_a_request_that_closes_its_connection_is_executed() {
    let closing = [
        post("Connection: close\r\n", "first"),
        post("Connection: keep-alive, close\r\n", "first"),
        post("Connection: CLOSE\r\nConnection: keep-alive\r\n", "first"),
        post(&format!("{H2C}Connection: close\r\n"), "first"),
        "POST /events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\nfirst\r\n0\r\n\r\n".to_owned(),
        "POST /events HTTP/1.0\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n1".to_owned(),
        "GET /events/first HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned(),
        "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned(),
        "HEAD /events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned(),
        "OPTIONS /events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned(),
        "GET /events?last=x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned(),
        "GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned(),
        "GET /metrics HTTP/1.0\r\n\r\n".to_owned(),
    ];
    let behind = post("", "behind");
    for server in servers(&["--allow-anonymous-publish"]) {
        for first in &closing {
            for behind in [
                behind.as_str(),
                &behind.repeat(200),
                &behind[..40],
                "\0\r\n\r\n",
            ] {
                let mut socket = server.connect();
                socket
                    .write_all(format!("{first}{behind}").as_bytes())
                    .unwrap();
                let mut all = String::new();
                let end = socket.read_to_string(&mut all);
                assert!(end.is_ok(), "{first}: {end:?} after {all}");
                assert_eq!(all.matches("\r\ndate: ").count(), 1, "{first}: {all}");
                assert!(
                    all.starts_with("HTTP/1.0") || all.contains("\r\nconnection: close"),
                    "{first}: {all}"
                );
            }
        }
        let events = server.request(
            "GET /events?last=1000 HTTP/1.1\nAccept: application/json",
            b"",
        );
        assert!(events.text().contains("first") && !events.text().contains("behind"));
    }
}

#[test]
fn garbage_in_the_packet_of_a_streams_request_is_discarded() {
    let request = "GET /events?topic=a HTTP/1.1\r\nHost: localhost\r\n";
    for garbage in [
        &b"\0\x01\xff garbage\r\n\r\n"[..],
        b"NO REQUEST\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nbehind",
        b"POST /events HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"\r\n",
        b"x",
    ] {
        for server in servers(&[]) {
            for lines in ["\r\n", "Connection: close\r\n\r\n"] {
                let mut socket = server.connect();
                socket
                    .write_all(&[request.as_bytes(), lines.as_bytes(), garbage].concat())
                    .unwrap();
                let mut stream = Stream::open(socket);
                stream.until("connected");
                server.publish("a", "one");
                assert_eq!(stream.event().unwrap().data, "one");
                stream.socket().write_all(garbage).unwrap();
                server.publish("a", "two");
                assert_eq!(stream.event().unwrap().data, "two");
                // As the second request of its connection.
                let mut socket = server.connect();
                let first = post("", "first");
                socket.write_all(first.as_bytes()).unwrap();
                response(&mut socket);
                socket
                    .write_all(&[request.as_bytes(), lines.as_bytes(), garbage].concat())
                    .unwrap();
                let mut stream = Stream::open(socket);
                stream.until("connected");
                server.publish("a", "three");
                assert_eq!(stream.event().unwrap().data, "three");
            }
        }
    }
}
