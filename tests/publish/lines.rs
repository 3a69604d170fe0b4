//! NDJSON: lines published as they stream in.

use std::{io::Write as _, net::TcpStream};

use serde_json::json;

use crate::{
    publish::refused::assert_is_problem,
    support::{Response, Server},
};

const NDJSON: &str = "application/x-ndjson";

/// A publish whose body is written in chunks, one by one.
struct Upload(TcpStream);

impl Upload {
    fn begin(server: &Server) -> Self {
        let mut socket = server.connect();
        let head = format!(
            "POST /events HTTP/1.1\r\nHost: {}\r\nContent-Type: {NDJSON}\r\nConnection: close\r\n\
             Transfer-Encoding: chunked\r\n\r\n",
            server.address
        );
        socket.write_all(head.as_bytes()).unwrap();
        Self(socket)
    }

    fn write(&mut self, text: &str) {
        write!(self.0, "{:x}\r\n{text}\r\n", text.len()).unwrap();
    }

    fn end(mut self) -> Response {
        self.0.write_all(b"0\r\n\r\n").unwrap();
        Response::read(self.0)
    }
}

#[test]
fn each_line_is_delivered_before_the_next_is_sent() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events");
    stream.until("connected");
    let mut upload = Upload::begin(&server);
    let mut last = String::new();
    for n in 0..5 {
        upload.write(&format!("{{\"data\":{n}}}\n"));
        let event = stream.event().unwrap();
        assert_eq!(event.data, n.to_string());
        last = event.id;
    }
    let response = upload.end();
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.json(), json!({ "count": 5, "last_id": last }));
}

#[test]
fn lines_may_be_cut_anywhere_and_the_last_needs_no_end() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events");
    stream.until("connected");
    let mut upload = Upload::begin(&server);
    for part in [
        "{\"da",
        "ta\":\"a",
        "b\"}",
        "\r\n\n  \n{\"data\":\"c\"}\n{\"data",
        "\":\"d\"}",
    ] {
        upload.write(part);
    }
    let response = upload.end();
    assert_eq!(response.json()["count"], 3, "{response:?}");
    assert_eq!(stream.data(3), ["ab", "c", "d"]);
}

#[test]
fn the_first_invalid_line_ends_the_publish_and_the_lines_before_it_stay_published() {
    let server = Server::start(&[]);
    let good = r#"{"data":"good"}"#;
    let cases = [
        ("nonsense", 400, "invalid_json"),
        (r#"{"data":"x","event":"a\nb"}"#, 422, "invalid_event"),
        (r#"{"topic":"x"}"#, 422, "no_data"),
        (r#"[{"data":"x"}]"#, 422, "invalid_event_object"),
        (r#"{"data":"x"} {"data":"y"}"#, 400, "invalid_json"),
    ];
    for (bad, status, code) in cases {
        let mut stream = server.subscribe("/events");
        stream.until("connected");
        let response = server.post(
            "/events",
            NDJSON,
            &format!("{good}\n\n{good}\n{bad}\n{good}\n"),
        );
        assert_eq!(
            (response.status, response.code().as_str()),
            (status, code),
            "{response:?}"
        );
        assert_is_problem(&response, bad);
        let ids = [stream.event().unwrap().id, stream.event().unwrap().id];
        let problem = response.json();
        assert_eq!(
            (&problem["line"], &problem["count"]),
            (&json!(4), &json!(2)),
            "{bad}"
        );
        assert_eq!(problem["last_id"], ids[1], "{bad}");
        server.publish("default", "sentinel");
        assert_eq!(stream.event().unwrap().data, "sentinel", "{bad}");
    }
}

#[test]
fn an_invalid_line_is_rejected_while_the_body_is_still_open() {
    let server = Server::start(&[]);
    let mut upload = Upload::begin(&server);
    upload.write("nonsense\n");
    let response = Response::read(upload.0);
    assert_eq!(
        (response.status, response.json()["line"].clone()),
        (400, json!(1))
    );
    assert_eq!(response.json()["last_id"], json!(null));
}

#[test]
fn a_thousand_lines_in_one_body_come_in_order() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events");
    stream.until("connected");
    let lines: Vec<String> = (0..1000)
        .map(|n| json!({ "data": n }).to_string())
        .collect();
    let response = server.post("/events", NDJSON, &lines.join("\n"));
    assert_eq!(response.json()["count"], 1000, "{response:?}");
    let expected: Vec<String> = (0..1000).map(|n: u32| n.to_string()).collect();
    assert_eq!(stream.data(1000), expected);
    assert_eq!(response.json()["last_id"], stream.last_id);
}

#[test]
fn lines_that_arrive_together_may_be_larger_than_one_batch() {
    let server = Server::start(&["--max-event-bytes", "1000", "--history-bytes", "65536"]);
    let mut stream = server.subscribe("/events");
    stream.until("connected");
    let data = "x".repeat(1000);
    let lines = format!("{{\"data\":\"{data}\"}}\n").repeat(10);
    let response = server.post("/events", NDJSON, &lines);
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.json()["count"], 10);
    assert_eq!(stream.data(10), vec![data; 10]);
}

#[test]
fn a_line_that_is_too_large_is_named_among_those_it_came_with() {
    let server = Server::start(&["--max-event-bytes", "1000"]);
    let large = "x".repeat(1001);
    let lines = format!("{{\"data\":1}}\n{{\"data\":\"{large}\"}}\n{{\"data\":3}}\n");
    let response = server.post("/events", NDJSON, &lines);
    assert_eq!(
        (response.status, response.code().as_str()),
        (413, "too_large")
    );
    assert_eq!(
        (&response.json()["line"], &response.json()["count"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(server.metric("history_events"), 1);
}

#[test]
fn a_body_without_lines_publishes_nothing() {
    let server = Server::start(&[]);
    for body in ["", "\n", "\r\n \n"] {
        let response = server.post("/events", NDJSON, body);
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(response.json(), json!({ "count": 0, "last_id": null }));
    }
}

#[test]
fn a_line_without_end_is_rejected() {
    let server = Server::start(&["--max-event-bytes", "1000"]);
    let line = "x".repeat(100_000);
    let response = server.post("/events", NDJSON, &format!("{{\"data\":1}}\n{line}"));
    assert_eq!(
        (response.status, response.code().as_str()),
        (413, "too_large")
    );
    assert_eq!(
        (&response.json()["line"], &response.json()["count"]),
        (&json!(2), &json!(1))
    );
}

#[test]
fn lines_sent_before_the_publisher_disconnected_stay_published() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events");
    stream.until("connected");
    let mut upload = Upload::begin(&server);
    upload.write("{\"data\":\"kept\"}\n{\"data\":\"half");
    assert_eq!(stream.event().unwrap().data, "kept");
    drop(upload);
    server.publish("default", "sentinel");
    assert_eq!(stream.event().unwrap().data, "sentinel");
}

#[test]
fn lines_that_arrive_together_may_be_more_than_one_batch_holds() {
    let server = Server::start(&["--history-events", "16"]);
    let mut stream = server.subscribe("/events");
    stream.until("connected");
    let lines = "{\"data\":\"x\"}\n".repeat(10);
    let response = server.post("/events", NDJSON, &lines);
    assert_eq!(
        (response.status, response.json()["count"].clone()),
        (200, json!(10)),
        "{response:?}"
    );
    assert_eq!(stream.data(10), ["x"; 10]);
}
