//! The largest events and bodies that are accepted.

use std::io::Write as _;

use crate::{
    publish::refused::{FORM, JSON, Refused, TEXT, Witness, assert_is_problem, check_all},
    support::{Response, Server},
};

/// Events of at most 1,000 bytes; a batch has at most 16 KiB by cost.
const SMALL: [&str; 4] = ["--max-event-bytes", "1000", "--history-bytes", "65536"];

/// The body in chunks of this size, and the head that goes with it.
fn chunked(server: &Server, kind: &str, body: &[u8], size: usize) -> Response {
    let head = format!(
        "POST /events HTTP/1.1\r\nHost: {}\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\
         Connection: close\r\n\r\n",
        server.address
    );
    let mut request = head.into_bytes();
    for chunk in body.chunks(size) {
        request.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
        request.extend(chunk);
        request.extend(b"\r\n");
    }
    request.extend(b"0\r\n\r\n");
    server.send(&request)
}

#[test]
fn an_event_larger_than_allowed_is_rejected_in_every_kind_of_body() {
    let long = "x".repeat(1001);
    let cases = [
        Refused::post(TEXT, "", long.clone(), 413, "too_large"),
        Refused::form(long.clone(), 413, "too_large"),
        Refused::form(format!("data={long}"), 413, "too_large"),
        Refused::json(format!(r#"{{"data":"{long}"}}"#), 413, "too_large").saying("1000"),
        Refused::json(
            format!(r#"[{{"data":"x"}},{{"data":"{long}"}}]"#),
            413,
            "too_large",
        ),
        Refused::post(
            "application/x-ndjson",
            "",
            format!(r#"{{"data":"{long}"}}"#),
            413,
            "too_large",
        ),
        Refused::get(&format!("/events/{long}"), 413, "too_large"),
    ];
    check_all(&Server::start(&SMALL), cases);
}

#[test]
fn an_event_as_large_as_allowed_is_accepted_in_every_kind_of_body() {
    let server = Server::start(&SMALL);
    let mut stream = server.subscribe("/events");
    let data = "\n".repeat(1000);
    let json = format!(r#"{{"data":"{}"}}"#, "\\u000a".repeat(1000));
    let form = format!("data={}", "%0A".repeat(1000));
    let published = [
        server.post("/events", TEXT, &data),
        server.post("/events", FORM, &form),
        server.post("/events", JSON, &json),
        server.post("/events", "application/x-ndjson", &json),
        server.get(&format!("/events/{}", "%0A".repeat(1000))),
        chunked(&server, TEXT, data.as_bytes(), 7),
    ];
    for response in published {
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(stream.event().unwrap().data, data);
    }
}

#[test]
fn a_body_larger_than_any_event_is_rejected_with_its_length_and_in_chunks() {
    let server = Server::start(&SMALL);
    let mut witness = Witness::of(&server);
    let body = vec![b'x'; 100_000];
    for kind in [TEXT, JSON, FORM] {
        let head = format!("POST /events HTTP/1.1\nContent-Type: {kind}");
        for response in [
            server.request(&head, &body),
            chunked(&server, kind, &body, 5_000),
        ] {
            assert_eq!(
                (response.status, response.code().as_str()),
                (413, "too_large"),
                "{kind}"
            );
            assert_is_problem(&response, kind);
        }
    }
    witness.saw_nothing(&server);
}

#[test]
fn a_rejection_reaches_a_client_that_is_still_sending_megabytes() {
    let server = Server::start(&SMALL);
    let body = vec![b'x'; 8 << 20];
    let response = server.request("POST /events HTTP/1.1\nContent-Type: text/plain", &body);
    assert_eq!(
        (response.status, response.code().as_str()),
        (413, "too_large")
    );
    let response = chunked(&server, TEXT, &body, 64 << 10);
    assert_eq!(
        (response.status, response.code().as_str()),
        (413, "too_large")
    );
}

#[test]
fn a_body_that_is_announced_as_too_large_is_rejected_before_it_comes() {
    let server = Server::start(&SMALL);
    let mut socket = server.connect();
    let head = "POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n\
        Content-Length: 1001\r\nConnection: close\r\n\r\n";
    socket.write_all(head.as_bytes()).unwrap();
    let response = Response::read(socket);
    assert_eq!(
        (response.status, response.code().as_str()),
        (413, "too_large")
    );
}

#[test]
fn a_response_behind_which_the_connection_is_closed_does_not_say_for_how_long_it_is_kept() {
    for more in [&[][..], &["--no-direct"]] {
        let server = Server::start(&[&SMALL, more].concat());
        for (head, body) in [
            ("POST /events", 3_000),
            ("POST /events", 300_000),
            ("GET /health/live", 300_000),
        ] {
            let head =
                format!("{head} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n");
            let request = format!("{head}Content-Length: {body}\r\n\r\n");
            let mut socket = server.connect();
            socket.write_all(request.as_bytes()).unwrap();
            socket.write_all(&[b'x'; 2_000]).unwrap();
            let Response { head, .. } = Response::read(socket);
            let (closes, keeps) = ("\r\nconnection: close\r\n", "\r\nkeep-alive: ");
            assert!(!head.contains(closes) || !head.contains(keeps), "{head}");
        }
    }
}

#[test]
fn a_batch_over_a_quarter_of_the_history_is_rejected_whole() {
    let events = |count: usize, data: &str| {
        let event = format!(r#"{{"topic":"t","data":"{data}"}}"#);
        format!("[{}]", vec![event; count].join(","))
    };
    let few = Server::start(&["--history-events", "16"]);
    check_all(
        &few,
        [Refused::json(events(5, "x"), 413, "too_large").saying("4 events")],
    );
    assert_eq!(few.post("/events", JSON, &events(4, "x")).status, 200);

    let small = Server::start(&SMALL);
    let large = "x".repeat(1000);
    check_all(
        &small,
        [Refused::json(events(6, &large), 413, "too_large").saying("16384 bytes")],
    );
    assert_eq!(small.post("/events", JSON, &events(5, &large)).status, 200);
}

#[test]
fn a_head_without_end_is_rejected() {
    let server = Server::start(&[]);
    let mut witness = Witness::of(&server);
    let long = "x".repeat(1 << 20);
    let heads = [
        format!("GET /events/{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET /events/x HTTP/1.1\r\nHost: localhost\r\nX-Long: {long}\r\n\r\n"),
        format!(
            "GET /events/x HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
            "X-Many: x\r\n".repeat(10_000)
        ),
    ];
    for head in heads {
        let status = server.send(head.as_bytes()).status;
        assert!((400..500).contains(&status), "{status}");
    }
    witness.saw_nothing(&server);
}
