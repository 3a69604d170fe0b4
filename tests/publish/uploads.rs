//! The memory and the connections that unfinished bodies may hold.

use std::{
    io::Write as _,
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::support::{Response, Server, wait_until};

/// A body of so many bytes that lacks the last one.
fn unfinished(server: &Server, kind: &str, bytes: usize) -> TcpStream {
    let mut socket = server.connect();
    let head = format!(
        "POST /events?topic=a HTTP/1.1\r\nHost: {}\r\nContent-Type: {kind}\r\n\
         Content-Length: {bytes}\r\n\r\n",
        server.address
    );
    socket.write_all(head.as_bytes()).unwrap();
    // A refusal may come before all is written.
    let _ = socket.write_all(&vec![b' '; bytes - 1]);
    socket
}

fn refusal(socket: TcpStream) -> (u16, String, bool) {
    let response = Response::read(socket);
    let retries = response.header("retry-after").is_some();
    (response.status, response.code(), retries)
}

#[test]
fn unfinished_bodies_share_a_budget_that_publishes_of_the_usual_size_do_not_need() {
    const BYTES: usize = 4_000_000;
    let server = Server::start(&["--upload-buffer-bytes", "8388608"]);
    let mut held: Vec<_> = (0..2)
        .map(|_| unfinished(&server, "application/json", BYTES))
        .collect();
    wait_until("both are held", || {
        server.metric("upload_buffer_bytes") > 2 * (BYTES as u64 - (32 << 10))
    });
    let kinds = ["application/json", "application/x-www-form-urlencoded"];
    for kind in kinds {
        let refused = refusal(unfinished(&server, kind, BYTES));
        assert_eq!(refused, (503, "uploads_full".to_owned(), true));
    }
    let line = refusal(unfinished(&server, "application/x-ndjson", BYTES));
    assert_eq!(line, (503, "uploads_full".to_owned(), true));
    server.publish("a", "of the usual size");
    let mut whole = held.pop().unwrap();
    whole.write_all(b" ").unwrap();
    assert_eq!(Response::read(whole).code(), "invalid_json");
    drop(held);
    wait_until("all is free again", || {
        server.metric("upload_buffer_bytes") == 0
    });
    let response = server.post(
        "/events",
        "application/json",
        &format!("{}{{\"data\":1}}", " ".repeat(BYTES)),
    );
    assert_eq!(response.status, 200, "{response:?}");
}

#[test]
fn an_upload_of_lines_that_sends_nothing_for_the_idle_timeout_is_ended() {
    let server = Server::start(&["--upload-idle-timeout", "1s"]);
    let mut socket = server.connect();
    let head = format!(
        "POST /events HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-ndjson\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
        server.address
    );
    socket.write_all(head.as_bytes()).unwrap();
    let line = "{\"data\":1}\n";
    write!(socket, "{:x}\r\n{line}\r\n", line.len()).unwrap();
    // Blank lines keep it.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        socket.write_all(b"1\r\n\n\r\n").unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    write!(socket, "{:x}\r\n{line}\r\n", line.len()).unwrap();
    let response = Response::read(socket);
    assert_eq!(
        (response.status, response.code().as_str()),
        (408, "body_timeout")
    );
    assert_eq!(response.json()["count"], 2);
}

/// The most memory that the server has had.
fn peak(server: &Server) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1));
    kibibytes.unwrap().parse::<usize>().unwrap() << 10
}

#[test]
fn a_body_past_a_bound_of_json_or_a_form_is_rejected_without_being_built() {
    const BYTES: usize = 16_000_000;
    const MAX_GROWTH: usize = 96 << 20;
    let repeated = |begin: &str, each: &str, end: &str| {
        [begin, &each.repeat(BYTES / each.len()), end].concat()
    };
    let json = "application/json";
    for (kind, body, code) in [
        (json, repeated("[{}", ",{}", "]"), "too_large"),
        (
            json,
            repeated("{\"data\":1,\"topics\":[\"a\"", ",\"a\"", "]}"),
            "too_many_topics",
        ),
        (
            json,
            repeated("{\"data\":1", ",\"a\":1", "}"),
            "unknown_field",
        ),
        (
            "application/x-www-form-urlencoded",
            repeated("data=1", "&topic=a", ""),
            "too_many_topics",
        ),
    ] {
        let server = Server::start(&[]);
        let before = peak(&server);
        let response = server.post("/events", kind, &body);
        assert_eq!(response.code(), code, "{response:?}");
        let growth = peak(&server) - before;
        assert!(growth < MAX_GROWTH, "{code}: {} MiB", growth >> 20);
    }
}
