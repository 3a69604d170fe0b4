//! A socket that reconnects receives everything exactly once, in order.

use serde_json::json;

use crate::{
    support::socket::Socket,
    support::{Server, command},
};

fn numbers(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}

#[test]
fn a_websocket_resumes_after_its_id_and_the_header_wins() {
    let server = Server::start(&[]);
    let ids = server.publish_all("a", numbers(0..6));
    let path = format!("/ws?topic=a&since=earliest&last=1&last_event_id={}", ids[3]);
    let mut socket = Socket::open(&server, &path);
    assert_eq!(socket.next(), json!({ "type": "connected", "id": ids[3] }));
    assert_eq!(socket.data(2), ["4", "5"]);
    let header = format!("Last-Event-ID: {}", ids[1]);
    let mut socket = Socket::open_with(&server, &path, &[&header]);
    assert_eq!(socket.data(4), ["2", "3", "4", "5"]);
    assert_eq!(
        Socket::open(&server, "/ws?topic=a&last=2").data(2),
        ["4", "5"]
    );
    assert_eq!(
        Socket::open(&server, "/ws?topic=a&since=earliest").data(6),
        numbers(0..6)
    );
    for since in ["0", "1970-01-01T01:00:00+01:00", "1970-01-01T00:00Z"] {
        let mut socket = Socket::open(&server, &format!("/ws?topic=a&since={since}"));
        assert_eq!(socket.data(6), numbers(0..6), "{since}");
    }
    let mut later = Socket::open(&server, "/ws?topic=a&since=2999-01-01T00:00:00+01:00");
    server.publish("a", "live");
    assert_eq!(later.data(1), ["live"]);
}

#[test]
fn a_websocket_that_is_cut_anywhere_and_reconnects_gets_each_event_exactly_once_in_order() {
    const EVENTS: usize = 400;
    let server = Server::start(&[]);
    let start = server.publish("a", "start");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for part in numbers(0..EVENTS).chunks(7) {
                server.publish_all("a", part.to_vec());
            }
        });
        let (mut last, mut seen) = (start, Vec::new());
        while seen.len() < EVENTS {
            let mut socket = Socket::open(&server, &format!("/ws?topic=a&last_event_id={last}"));
            for _ in 0..=(seen.len() % 23).min(EVENTS - seen.len() - 1) {
                let event = socket.event();
                last = event["id"].as_str().unwrap().to_owned();
                seen.push(event["data"].as_str().unwrap().to_owned());
            }
        }
        assert_eq!(seen, numbers(0..EVENTS));
    });
}

#[test]
fn an_event_acknowledged_over_a_websocket_survives_a_kill_of_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let start = |address: &str| {
        let mut command = command(&["--listen", address, "--data-dir"]);
        command.arg(directory.path());
        Server::spawn(command)
    };
    let mut server = start("127.0.0.1:0");
    let mut reader = Socket::open(&server, "/ws?topic=a");
    reader.until("connected");
    let mut publisher = Socket::open(&server, "/ws?topic=none");
    for data in numbers(0..50) {
        let response = publisher.publish(&json!({ "topic": "a", "data": data }));
        assert_eq!(response["type"], "published");
    }
    assert_eq!(reader.data(19), numbers(0..19));
    let last = reader.event();
    server.signal("-KILL");
    server.wait();
    let server = start("127.0.0.1:0");
    let path = format!("/ws?topic=a&last_event_id={}", last["id"].as_str().unwrap());
    let mut reader = Socket::open(&server, &path);
    assert_eq!(
        reader.next(),
        json!({ "type": "connected", "id": last["id"] })
    );
    assert_eq!(reader.data(30), numbers(20..50));
    let response = reader.publish(&json!({ "topic": "a", "data": "on" }));
    assert_eq!(response["type"], "published");
}
