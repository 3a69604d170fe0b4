//! Metrics of rejected requests and of the process.

use std::{
    io::{Read as _, Write as _},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    support::socket::Socket,
    support::{Server, wait_until},
};

const KEY: &str = "0123456789abcdef";

fn keyed(args: &[&str]) -> Server {
    Server::start(&[&["--publish-key", KEY, "--max-event-bytes", "100"], args].concat())
}

fn refused(server: &Server, status: u16, code: &str) -> u64 {
    let labels = format!("{{status=\"{status}\",code=\"{code}\"}}");
    server.metric(&format!("refused_requests_total{labels}"))
}

/// A figure without our prefix.
fn figure(server: &Server, name: &str) -> f64 {
    let text = server.get("/metrics").text();
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let found = lines.find(|(known, _)| *known == name);
    let (_, value) = found.unwrap_or_else(|| panic!("no {name} in {text}"));
    value.parse().unwrap()
}

#[test]
fn rejected_requests_are_counted_by_status_and_code() {
    let server = keyed(&[]);
    let with_key = |body: &str| {
        let head = format!(
            "POST /events HTTP/1.1\nAuthorization: Bearer {KEY}\nContent-Type: application/json"
        );
        server.request(&head, body.as_bytes()).status
    };
    assert_eq!(server.get("/events/x").status, 401);
    assert_eq!(server.post("/events", "text/plain", "x").status, 401);
    assert_eq!(with_key("{}"), 422);
    assert_eq!(
        with_key(&format!("{{\"data\":\"{}\"}}", "x".repeat(101))),
        413
    );
    assert_eq!(server.request("DELETE /events HTTP/1.1", b"").status, 405);
    for path in 0..20 {
        assert_eq!(server.get(&format!("/{path}")).status, 404);
    }
    let page = ["Origin: https://elsewhere.example"];
    let opened = Socket::try_open(server.connect(), "/ws", "localhost", &page);
    assert_eq!(opened.err().unwrap().status, 403);
    for (status, code, count) in [
        (401, "key_missing", 2),
        (413, "too_large", 1),
        (405, "method_not_allowed", 1),
        (404, "not_found", 20),
        (403, "foreign_page", 1),
    ] {
        assert_eq!(refused(&server, status, code), count, "{status} {code}");
    }
    let text = server.get("/metrics").text();
    let series = text
        .lines()
        .filter(|line| line.contains("_refused_requests_total{"));
    assert_eq!(series.count(), 6, "{text}");
}

#[test]
fn bytes_that_are_no_request_are_counted_as_rejected_and_logged_at_debug() {
    for direct in [&[][..], &["--no-direct"]] {
        let mut server = keyed(&[direct, &["--log", "sse_broadcaster=debug"]].concat());
        let mut count = 0;
        for bytes in [
            &b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"[..],
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET /events HTTP/1.1\r\nHost localhost\r\n\r\n",
            b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
            // Behind a request that was served.
            b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\nno request\r\n\r\n",
        ] {
            let mut socket = server.connect();
            socket.write_all(bytes).unwrap();
            let mut response = String::new();
            socket.read_to_string(&mut response).unwrap();
            assert!(response.contains("HTTP/1.1 400 "), "{response}");
            count += 1;
            assert_eq!(refused(&server, 400, "other"), count, "{response}");
            let line = server.wait_for_log("refused an invalid request");
            assert!(
                line.contains("127.0.0.1:") && line.contains("400"),
                "{line}"
            );
        }
        // A refusal that a service makes, and a body that is asked for, are not counted again.
        let request = b"POST /events HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\
            Connection: close\r\nContent-Length: 1\r\n\r\nx";
        assert!(server.send(request).status >= 100);
        assert_eq!(refused(&server, 400, "other"), count);
        let text = server.get("/metrics").text();
        let series = text
            .lines()
            .filter(|line| line.contains("_refused_requests_total{"));
        assert_eq!(series.count(), 2, "{text}");
    }
}

#[test]
fn rejected_messages_of_websockets_are_counted() {
    let server = keyed(&[]);
    let mut socket = Socket::open(&server, "/ws?topic=none");
    let response = socket.publish(&serde_json::json!({ "data": "x" }));
    assert_eq!(response["code"], "key_missing");
    assert_eq!(refused(&server, 401, "key_missing"), 1);
}

#[test]
fn rejected_requests_are_logged_at_debug_and_at_info_only_where_they_concern_the_client() {
    let mut server = keyed(&["--log", "sse_broadcaster=debug"]);
    server.get("/events/a%0Ab%1Bc");
    let line = server.wait_for_log("refused GET");
    assert!(
        line.contains("401 key_missing") && line.contains("127.0.0.1:"),
        "{line}"
    );
    server.get(&format!("/{}", "long".repeat(5_000)));
    let line = server.wait_for_log("refused GET");
    assert!(line.len() < 500, "{line}");
    let mut quiet = keyed(&[]);
    quiet.get("/none");
    quiet.get("/events/x");
    quiet.wait_for_log("refused: 401 key_missing");
    assert_eq!(quiet.log().matches("refused").count(), 1);
}

#[test]
fn the_process_is_described_as_prometheus_has_it() {
    let server = Server::start(&[]);
    let request = "GET /metrics HTTP/1.1\nAccept: application/openmetrics-text";
    let text = server.request(request, b"").text();
    for (name, kind) in [
        ("process_cpu_seconds", "counter"),
        ("process_open_fds", "gauge"),
        ("process_max_fds", "gauge"),
        ("process_resident_memory_bytes", "gauge"),
        ("process_virtual_memory_bytes", "gauge"),
        ("process_start_time_seconds", "gauge"),
        ("process_threads", "gauge"),
    ] {
        let line = format!("# TYPE {name} {kind}");
        assert!(text.contains(&line), "no {line} in {text}");
    }
    assert_eq!(text.matches("# EOF").count(), 1);
    let memory = figure(&server, "process_resident_memory_bytes");
    assert!((1e6..1e9).contains(&memory), "{memory}");
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    let age = now - figure(&server, "process_start_time_seconds");
    assert!((-2.0..600.0).contains(&age), "{age}");
    let before = figure(&server, "process_open_fds");
    let streams: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = server.subscribe("/events");
            stream.until("connected");
            stream
        })
        .collect();
    let open = figure(&server, "process_open_fds");
    assert!(
        open >= before + 50.0 && open < before + 100.0,
        "{before} and {open}"
    );
    assert!(figure(&server, "process_max_fds") > open);
    drop(streams);
    wait_until("CPU time is counted", || {
        figure(&server, "process_cpu_seconds_total") > 0.0
    });
}

#[test]
fn metrics_of_times_are_in_seconds() {
    let server = Server::start(&[]);
    server.publish("a", "x");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    for name in ["oldest", "newest"] {
        let name = format!("sse_broadcaster_history_{name}_timestamp_seconds");
        let age = now.as_secs_f64() - figure(&server, &name);
        assert!((-2.0..60.0).contains(&age), "{name}: {age}");
    }
    let text = server.get("/metrics").text();
    assert!(!text.contains("_milliseconds"), "{text}");
}

#[test]
fn the_limits_of_streams_and_memory_are_metrics() {
    let server = Server::start(&["--max-subscribers", "7"]);
    assert_eq!(server.metric("max_subscribers"), 7);
    let limit = figure(&server, "sse_broadcaster_memory_limit_bytes");
    let used = figure(&server, "process_resident_memory_bytes");
    assert!(limit > used, "{limit} and {used}");
    let server = Server::start(&[]);
    let files = figure(&server, "process_max_fds");
    let streams = figure(&server, "sse_broadcaster_max_subscribers");
    assert!((1.0..files).contains(&streams), "{streams} and {files}");
}
