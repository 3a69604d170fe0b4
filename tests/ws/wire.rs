//! Messages of the server: events as in the JSON format of a stream, and notices.

use serde_json::json;

use crate::{support::Server, support::socket::Socket};

#[test]
fn a_websocket_sends_connected_and_then_the_data_of_format_json() {
    let server = Server::start(&[]);
    let head = server.publish("other", "x");
    let mut stream = server.subscribe("/events?topic=a&topic=b&format=json");
    stream.until("connected");
    let mut socket = Socket::open(&server, "/ws?topic=a&topic=b&format=json");
    assert!(socket.head.contains(&format!("event-head: {head}\r\n")));
    assert_eq!(socket.next(), json!({ "type": "connected", "id": head }));
    for body in [
        r#"{"topics":["a","c"],"event":"e","data":"x\ny\u0000\u2028é","id":"mine","retry":50}"#,
        r#"{"topic":"b","data":{"type":"connected","id":"1-1"}}"#,
        r#"{"topic":"a","data":""}"#,
    ] {
        assert_eq!(server.post("/events", "application/json", body).status, 200);
        assert_eq!(socket.text(), stream.next().unwrap().data);
    }
    let event = socket.publish(&json!({ "topic": "a", "data": "own" }));
    assert_eq!(event["type"], "published");
}

#[test]
fn a_requested_heartbeat_is_a_message() {
    let server = Server::start(&["--ping-interval", "1h"]);
    let mut socket = Socket::open(&server, "/ws?topic=a&heartbeat=1s");
    socket.until("connected");
    let heartbeat = socket.next();
    assert_eq!(heartbeat["type"], "heartbeat");
    assert!(
        heartbeat["time"].is_string() && heartbeat.get("id").is_none(),
        "{heartbeat}"
    );
}

#[test]
fn messages_of_every_length_come_whole_and_in_order() {
    let server = Server::start(&[]);
    let mut live = Socket::open(&server, "/ws?topic=a");
    live.until("connected");
    let empty = {
        server.publish("a", "");
        live.text().len()
    };
    // Around the lengths at which a frame's head grows, and those of pieces.
    let mut lengths: Vec<usize> = [125, 126, 127, 65_535, 65_536, 32_768, 32_764, 98_304]
        .iter()
        .map(|length: &usize| length.saturating_sub(empty))
        .collect();
    lengths.extend([1, 700_000, 2, 3]);
    for length in &lengths {
        server.publish("a", &"x".repeat(*length));
    }
    let mut replay = Socket::open(&server, "/ws?topic=a&since=earliest");
    assert_eq!(replay.data(1), [""]);
    for socket in [&mut live, &mut replay] {
        let got: Vec<_> = socket.data(lengths.len()).iter().map(String::len).collect();
        assert_eq!(got, lengths);
    }
}

#[test]
fn a_gap_is_sent_before_connected() {
    let server = Server::start(&["--history-events", "16"]);
    let first = server.publish("a", "0");
    let ids: Vec<_> = (1..40)
        .map(|n| server.publish("a", &n.to_string()))
        .collect();
    let mut socket = Socket::open(&server, &format!("/ws?topic=a&last_event_id={first}"));
    let gap = socket.next();
    assert_eq!(
        (&gap["type"], &gap["requested"]),
        (&json!("gap"), &json!(first))
    );
    let oldest = gap["oldest"].as_str().expect("there are events").to_owned();
    assert_eq!(
        socket.next(),
        json!({ "type": "connected", "id": gap["id"] })
    );
    assert_eq!(socket.event()["id"], json!(oldest));
    let held = ids.len() - ids.iter().position(|id| *id == oldest).unwrap();
    assert_eq!(socket.data(held - 1).last().unwrap(), "39");

    let mut socket = Socket::open(&server, "/ws?topic=a&last_event_id=%22%0Agarbage");
    assert_eq!(socket.next()["requested"], json!("\"\ngarbage"));
    let mut socket = Socket::open(&server, "/ws?topic=none&since=earliest&until=head");
    assert_eq!(
        socket.until("position"),
        json!({ "type": "position", "id": ids[ids.len() - 1] })
    );
}

#[test]
fn a_socket_is_counted_as_a_subscriber() {
    let server = Server::start(&[]);
    let mut socket = Socket::open(&server, "/ws");
    socket.until("connected");
    assert_eq!(server.metric("subscribers"), 1);
    assert_eq!(server.metric("subscribed_total"), 1);
    server.publish("default", "x");
    assert_eq!(socket.data(1), ["x"]);
    assert_eq!(server.metric("delivered_events_total"), 1);
}
