//! What a quiet stream is sent, so that clients and proxies notice when it is dead.

use serde_json::Value;

use crate::support::Server;

#[test]
fn a_requested_heartbeat_is_an_event_with_json_data_and_no_id() {
    let server = Server::start(&["--ping-interval", "1h"]);
    let body = "{\"value\":1}";
    let put = "PUT /signals/counter HTTP/1.1\nContent-Type: application/json";
    assert_eq!(server.request(put, body.as_bytes()).status, 201);
    for path in [
        "/events?heartbeat=1s",
        "/events?heartbeat=1s&format=json",
        "/signals?name=counter&heartbeat=1s",
        "/signals?name=counter&format=datastar&heartbeat=1s",
    ] {
        let mut stream = server.subscribe(path);
        let connected = stream.until("connected");
        for _ in 0..2 {
            let text = stream.text_until("\n\n");
            assert!(
                text.starts_with("event: heartbeat\ndata: {"),
                "{path}: {text}"
            );
            let (_, data) = text.trim_end().split_once("data: ").unwrap();
            let data: Value = serde_json::from_str(data).unwrap();
            assert!(
                data["time"].as_str().unwrap().ends_with('Z'),
                "{path}: {data}"
            );
        }
        assert_eq!(stream.last_id, connected.id, "{path}");
    }
}

#[test]
fn a_busy_stream_has_its_heartbeat_too() {
    let server = Server::start(&["--ping-interval", "1h"]);
    let mut stream = server.subscribe("/events?topic=a&heartbeat=1s");
    stream.until("connected");
    let mut heartbeats = 0;
    while heartbeats < 2 {
        server.publish("a", "x");
        let message = stream.next().unwrap();
        heartbeats += usize::from(message.name == "heartbeat");
    }
}

#[test]
fn a_quiet_stream_completes_a_block_after_thirty_two_pings_at_the_latest() {
    let server = Server::start(&["--ping-interval", "10ms"]);
    let path = "/events?topic=a";
    let mut stream = server.subscribe(path);
    let connected = stream.until("connected");
    for _ in 0..2 {
        let text = stream.text_until("\n\n");
        let (pings, block) = text.split_at(text.find("event: ").unwrap());
        let count = pings.matches(": ping\n").count();
        assert_eq!(pings.len(), count * ": ping\n".len(), "{text}");
        assert!((16..=32).contains(&count), "{count}");
        let id = &connected.id;
        let position = format!("event: position\ndata: {{\"id\":\"{id}\"}}\nid: {id}\n\n");
        assert_eq!(block, position);
    }
    // An event is a block: the count begins anew behind it.
    let id = server.publish("a", "x");
    let text = stream.text_until(&format!("id: {id}\n\n"));
    assert!(text.contains("data: x\n"), "{text}");
    let text = stream.text_until("\n\n");
    assert!(text.matches(": ping\n").count() >= 16, "{text}");
}

#[test]
fn streams_begin_with_reconnection_times_of_their_own() {
    const STREAMS: usize = 40;
    let server = Server::start(&[]);
    server.publish("a", "x");
    for path in [
        "/events",
        "/events?topic=a&since=earliest",
        "/signals?name=a",
    ] {
        let mut times: Vec<_> = (0..STREAMS)
            .map(|_| {
                let mut stream = server.subscribe(path);
                let connected = stream.until("connected");
                connected.retry.expect("it is part of the first block")
            })
            .collect();
        assert!(
            times.iter().all(|ms| (1_000..11_000).contains(ms)),
            "{times:?}"
        );
        times.sort_unstable();
        times.dedup();
        assert!(times.len() > STREAMS / 2, "{path}: {times:?}");
    }
}

#[test]
fn a_heartbeat_event_is_sent_on_request_only() {
    let server = Server::start(&["--ping-interval", "50ms"]);
    let mut stream = server.subscribe("/events?topic=a&heartbeat=");
    stream.until("connected");
    let text = stream.peek(&": ping\n".repeat(25));
    assert!(!text.contains("event: "), "{text}");
}

#[test]
fn the_name_heartbeat_is_reserved_for_the_server() {
    let server = Server::start(&[]);
    let body = r#"{"event":"heartbeat","data":"x"}"#;
    let response = server.post("/events", "application/json", body);
    assert_eq!(
        (response.status, response.code().as_str()),
        (422, "reserved_event")
    );
}
