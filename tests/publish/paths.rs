//! Publishes on connections that the server serves by itself equal those through actix, and so does what their
//! connections carry besides.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use crate::{
    streams::{
        connection_paths::{comparable, start_both},
        requests::response_as_sent,
    },
    support::Server,
};

const HOST: &str = "Host: localhost\r\n";
const KEY: &str = "Authorization: Bearer correct-horse-battery\r\n";

fn post(target: &str, lines: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {target} HTTP/1.1\r\n{HOST}{lines}Content-Length: {length}\r\n\r\n{body}")
}

fn response(socket: &mut TcpStream) -> String {
    let (head, body) = response_as_sent(socket);
    head + &body
}

fn send(server: &Server, request: &str) -> (TcpStream, String) {
    let mut socket = server.connect();
    socket.write_all(request.as_bytes()).unwrap();
    let response = response(&mut socket);
    (socket, response)
}

/// How many events were published, and how many requests were refused by which code.
fn counts(server: &Server) -> Vec<String> {
    let names = ["published_events_total ", "refused_requests_total{"];
    let metrics = server.get("/metrics").text();
    let is_count = |line: &&str| {
        let name = line.strip_prefix("sse_broadcaster_");
        name.is_some_and(|name| names.iter().any(|count| name.starts_with(count)))
    };
    metrics
        .lines()
        .filter(is_count)
        .map(str::to_owned)
        .collect()
}

fn publishes() -> Vec<String> {
    let json = format!("{KEY}Content-Type: application/json\r\n");
    let large = "x".repeat(20_000);
    [
        ("/events", KEY, "hello"),
        ("/events?topic=a&topic=b&event=x&id=own", KEY, "hello"),
        ("/events?topic=a&id=own", KEY, "the same again"),
        ("/events?", KEY, ""),
        ("/events/", KEY, "hello"),
        ("/events", &json, r#"{"topic":"a","data":"x"}"#),
        ("/events", &json, r#"[{"data":"x"},{"data":"y"}]"#),
        ("/events", &json, r#"{"topic":"#),
        ("/events", &json, r#"{"unknown":1}"#),
        (
            "/events",
            &format!("{KEY}Content-Type: application/x-ndjson\r\n"),
            "{\"data\":\"x\"}\n{}\n",
        ),
        (
            "/events",
            &format!("{KEY}Content-Type: application/x-www-form-urlencoded\r\n"),
            "data=a+b",
        ),
        ("/events", &format!("{KEY}Content-Type: image/png\r\n"), "x"),
        (
            "/events",
            &format!("{KEY}Accept: text/event-stream\r\n"),
            "",
        ),
        (
            "/events",
            &format!("{KEY}Origin: https://app.example\r\n"),
            "x",
        ),
        (
            "/events",
            &format!("{KEY}Origin: https://other.example\r\n"),
            "x",
        ),
        ("/events", &format!("{KEY}Connection: close\r\n"), "x"),
        ("/events", &format!("{KEY}Connection: Keep-Alive\r\n"), "x"),
        (
            "/events",
            &format!("{KEY}Connection: Upgrade\r\nUpgrade: h2c\r\n"),
            "x",
        ),
        (
            "/events",
            &format!("{KEY}X-Forwarded-For: 192.0.2.1\r\n"),
            "x",
        ),
        ("/events", &format!("{KEY}Host: other\r\n"), "x"),
        ("/events", "", "without a key"),
        (
            "/events",
            "Authorization: Bearer wrong-horse-battery\r\n",
            "x",
        ),
        ("/events?topic=a%7Bb", KEY, "x"),
        ("/events?retry=x", KEY, "x"),
        ("/events?topic=%FF", KEY, "x"),
        ("/events?topic=\u{e9}", KEY, "x"),
        ("/events", KEY, &large),
        ("/events", KEY, "\u{0}\u{7f}"),
    ]
    .into_iter()
    .map(|(target, lines, body)| post(target, lines, body))
    .collect()
}

#[test]
fn both_paths_of_publishers_give_the_same_responses_and_store_the_same() {
    let settings = [
        "--publish-key",
        "correct-horse-battery",
        "--cors-origin",
        "https://app.example",
        "--max-event-bytes",
        "16384",
    ];
    let servers = start_both(&settings);
    for request in publishes() {
        let responses = servers.each_ref().map(|server| send(server, &request).1);
        let [own, actix] = responses.map(|response| {
            let (mut head, body) = comparable(&response);
            // Ids have different lengths. Actix closes the connection if a body was not read.
            let differs = ["content-length: ", "connection: ", "keep-alive: "];
            head.retain(|line| !differs.iter().any(|name| line.starts_with(name)));
            (head, body)
        });
        assert_eq!(own, actix, "{}", &request[..request.len().min(300)]);
    }
    let [own, actix] = servers.each_ref().map(counts);
    assert_eq!(own, actix);
    let stored = servers.map(|server| {
        let head =
            format!("GET /events?last=1000&topic=* HTTP/1.1\nAccept: application/json\n{KEY}");
        let page = server.request(&head, b"").json();
        let events = page["events"].as_array().expect("events").clone();
        let fields = |event: &serde_json::Value| (event["topics"].clone(), event["data"].clone());
        events.iter().map(fields).collect::<Vec<_>>()
    });
    assert_eq!(stored[0], stored[1]);
    assert!(stored[0].len() > 10);
}

#[test]
fn other_requests_behind_publishes_of_one_connection_get_their_responses_in_order() {
    for server in start_both(&[]) {
        let all = [
            post("/events?topic=a", "", "one"),
            post("/events?topic=a", "", "two"),
            format!("GET /health/live HTTP/1.1\r\n{HOST}\r\n"),
            post("/events?topic=a", "", "three"),
        ];
        let mut socket = server.connect();
        socket.write_all(all.concat().as_bytes()).unwrap();
        let responses: Vec<_> = all.iter().map(|_| response(&mut socket)).collect();
        assert!(
            responses
                .iter()
                .all(|response| response.starts_with("HTTP/1.1 200 "))
        );
        assert!(responses[2].contains("\"status\""), "{responses:?}");
        let mut stream = server.subscribe("/events?topic=a&since=earliest");
        assert_eq!(stream.data(3), ["one", "two", "three"]);
    }
}

#[test]
fn a_publish_that_arrives_byte_by_byte_behind_another_is_served() {
    for server in start_both(&[]) {
        let (mut socket, _) = send(&server, &post("/events", "", "one"));
        for byte in post("/events", "", "two").bytes() {
            socket.write_all(&[byte]).unwrap();
        }
        assert!(response(&mut socket).starts_with("HTTP/1.1 200 "));
    }
}

#[test]
fn a_publisher_whose_connection_was_idle_publishes_on_it_until_keep_alive_is_over() {
    for server in start_both(&["--keep-alive", "2s"]) {
        let (mut socket, first) = send(&server, &post("/events", "", "one"));
        assert!(first.contains("\r\nkeep-alive: timeout=2\r\n"), "{first}");
        // Nothing is to be waited for but time.
        std::thread::sleep(std::time::Duration::from_millis(800));
        socket
            .write_all(post("/events", "", "two").as_bytes())
            .unwrap();
        assert!(response(&mut socket).starts_with("HTTP/1.1 200 "));
        assert_eq!(
            socket.read(&mut [0]).unwrap(),
            0,
            "closed, without another response"
        );
    }
}

#[test]
fn a_publish_of_a_client_that_disconnects_before_its_response_is_delivered() {
    for server in start_both(&[]) {
        let mut stream = server.subscribe("/events");
        stream.until("connected");
        for _ in 0..20 {
            let mut socket = server.connect();
            socket
                .write_all(post("/events", "", "gone").as_bytes())
                .unwrap();
        }
        assert_eq!(stream.data(20), vec!["gone"; 20]);
    }
}
