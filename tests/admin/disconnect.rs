//! `DELETE /admin/connections/<id>`.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
};

use serde_json::Value;

use super::{KEY, ask, connections, only, start, subscribe};
use crate::{
    mercure,
    support::{
        End, Server, Stream,
        socket::{self, Socket},
        tokens::bearer,
        wait_until,
    },
};

fn disconnect(server: &Server, id: &str) -> u16 {
    ask(server, "DELETE", &format!("/admin/connections/{id}")).status
}

/// Ends the connection of topic `cut`, and checks that it is this one that ends, and that its client may return.
/// Returns the stream that was cut.
fn expect_cut(server: &Server, path: impl Fn(&str) -> String, publish: impl Fn(&str)) -> Stream {
    let lines = bearer(KEY);
    let open = |topic: &str| server.subscribe_with(&path(topic), &lines);
    let (mut cut, mut kept) = (open("cut"), open("kept"));
    wait_until("both are listed", || connections(server, "").len() == 2);
    publish("cut");
    cut.event().unwrap();
    assert_eq!(disconnect(server, &only(server, "topic=cut")), 204);
    while cut.next().is_some() {}
    assert_eq!(cut.end, Some(End::Cut));
    wait_until("it is counted", || server.ended("disconnected") == 1);
    publish("kept");
    kept.event().unwrap();
    // An EventSource comes back with its last id, and misses nothing.
    publish("cut");
    let resumed = format!("{lines}\nLast-Event-ID: {}", cut.last_id);
    let mut again = server.subscribe_with(&path("cut"), &resumed);
    again.event().unwrap();
    assert_eq!(connections(server, "").len(), 2);
    cut
}

#[test]
fn a_stream_is_cut_with_a_reconnection_time_and_its_client_may_return() {
    for args in [&[][..], &["--no-direct"]] {
        let server = start(args);
        let path = |topic: &str| format!("/events?topic={topic}");
        let cut = expect_cut(&server, path, |topic| drop(server.publish(topic, "x")));
        assert!(
            cut.retry.is_some_and(|retry| retry >= 2_000),
            "{:?}",
            cut.retry
        );
    }
}

#[test]
fn a_stream_of_the_hub_is_cut_and_its_client_may_return() {
    for args in [&[][..], &["--no-direct"]] {
        let server = mercure::hub(&[&["--admin-key", KEY], args].concat());
        let path = |topic: &str| format!("{}?topic={topic}", mercure::HUB);
        let cut = expect_cut(&server, path, |topic| {
            mercure::publish(&server, &format!("topic={topic}&data=x"));
        });
        assert_eq!(cut.retry, None, "the protocol has no such notice");
    }
}

#[test]
fn a_stream_of_signals_is_cut_and_sent_its_documents_again_when_its_client_returns() {
    for args in [&[][..], &["--no-direct"]] {
        let server = start(args);
        let put = |value: &str| {
            let head = "PUT /signals/counter HTTP/1.1\nContent-Type: application/json";
            assert!(server.request(head, value.as_bytes()).status < 300);
        };
        put("1");
        let mut stream = server.subscribe("/signals?name=counter");
        stream.until("connected");
        assert_eq!(disconnect(&server, &only(&server, "")), 204);
        while stream.next().is_some() {}
        assert_eq!(stream.end, Some(End::Cut));
        put("2");
        let mut again: Stream = server.subscribe("/signals?name=counter");
        let first: Value = serde_json::from_str(&again.next().unwrap().data).unwrap();
        assert_eq!(first["patch"][0]["value"], 2, "{first}");
    }
}

#[test]
fn a_socket_is_closed_with_the_reason_and_a_reconnection_time() {
    let server = start(&[]);
    let mut cut = Socket::open(&server, "/ws?topic=cut");
    let mut kept = Socket::open(&server, "/ws?topic=kept");
    wait_until("both are listed", || connections(&server, "").len() == 2);
    assert_eq!(disconnect(&server, &only(&server, "topic=cut")), 204);
    let socket::End::Close(code, reason) = cut.end() else {
        panic!("no close");
    };
    let reason: Value = serde_json::from_str(&reason).unwrap();
    assert_eq!(code, 1013, "try again later");
    assert!(reason["retry"].as_u64() >= Some(2_000), "{reason}");
    assert!(
        reason["detail"].as_str().unwrap().contains("operator"),
        "{reason}"
    );
    server.publish("kept", "x");
    assert_eq!(kept.data(1), ["x"]);
}

#[test]
fn an_id_names_no_other_connection_once_its_own_has_ended() {
    let server = start(&[]);
    let mut stream = subscribe(&server, "/events?topic=a", "");
    let id = only(&server, "");
    assert_eq!(disconnect(&server, &id), 204);
    while stream.next().is_some() {}
    wait_until("it is gone", || connections(&server, "").is_empty());
    let mut next = subscribe(&server, "/events?topic=a", "");
    assert_ne!(only(&server, ""), id);
    for unknown in [id.as_str(), "0-0-0", "x", "999-0-0"] {
        let path = format!("/admin/connections/{unknown}");
        let response = ask(&server, "DELETE", &path);
        assert_eq!(
            (response.status, response.code().as_str()),
            (404, "unknown_connection")
        );
    }
    server.publish("a", "x");
    assert_eq!(next.event().unwrap().data, "x");
}

/// A client that is so many events behind has a full socket: it is not only about to be sent them.
const FULL_AT_BEHIND: u64 = 8;

/// Disconnects a client of topic `a` that reads nothing and whose socket is full, and checks that this takes effect
/// long before the stall timeout.
fn expect_cut_of_full_socket(args: &[&str], open: impl Fn(&Server, TcpStream) -> TcpStream) {
    let settings = ["--socket-buffer-bytes", "4096", "--stall-timeout", "1h"];
    let server = start(&[&settings[..], args].concat());
    let mut stuck = open(&server, server.connect_narrow(4 << 10));
    wait_until("it is listed", || connections(&server, "").len() == 1);
    let data = "x".repeat(200 << 10);
    let behind = || connections(&server, "")[0]["behind"].as_u64();
    while behind() < Some(FULL_AT_BEHIND) {
        server.publish("a", &data);
    }
    assert_eq!(disconnect(&server, &only(&server, "")), 204);
    wait_until("it is gone", || connections(&server, "").is_empty());
    wait_until("it is counted", || server.ended("disconnected") == 1);
    // What the kernel holds is still delivered; then the connection ends.
    if let Err(error) = stuck.read_to_end(&mut Vec::new()) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
}

fn send_request(mut socket: TcpStream) -> TcpStream {
    let request = b"GET /events?topic=a HTTP/1.1\r\nHost: localhost\r\n\r\n";
    socket.write_all(request).unwrap();
    socket
}

#[test]
fn a_client_that_does_not_read_is_disconnected_at_once() {
    expect_cut_of_full_socket(&[], |_, socket| send_request(socket));
}

#[test]
fn a_client_that_does_not_read_is_disconnected_at_once_without_the_direct_path() {
    expect_cut_of_full_socket(&["--no-direct"], |_, socket| send_request(socket));
}

#[test]
fn a_websocket_that_does_not_read_is_disconnected_at_once() {
    expect_cut_of_full_socket(&[], |_, socket| {
        let opened = Socket::try_open(socket, "/ws?topic=a", "localhost", &[]);
        let mut socket = opened.unwrap_or_else(|response| panic!("{response:?}"));
        socket.connection().try_clone().unwrap()
    });
}
