//! What a client sees of a cut, and what it is sent when it reconnects.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
};

use crate::support::{End, Server, Stream, command, free_address, wait_until};

/// Everything up to the end of the connection, and how that ended.
fn read_raw(socket: &mut TcpStream) -> (String, Result<(), ErrorKind>) {
    let mut bytes = Vec::new();
    let end = socket
        .read_to_end(&mut bytes)
        .map(drop)
        .map_err(|error| error.kind());
    (String::from_utf8(bytes).unwrap(), end)
}

#[test]
fn without_chunked_coding_a_cut_is_a_reset_after_everything_that_was_sent() {
    let mut server = Server::start(&[]);
    let open = |version: &str| {
        let mut socket = server.connect();
        let request = format!("GET /events?topic=a HTTP/{version}\r\nHost: localhost\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        socket
    };
    let (mut old, mut new) = (open("1.0"), open("1.1"));
    wait_until("both are subscribers", || server.metric("subscribers") == 2);
    server.publish("a", &"~".repeat(100_000));
    server.signal("-TERM");
    let (text, end) = read_raw(&mut old);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(
        !head.to_ascii_lowercase().contains("transfer-encoding"),
        "{head}"
    );
    assert!(
        body.starts_with("retry: ") && body.contains("\nevent: connected\n"),
        "no chunks"
    );
    assert_eq!(body.matches('~').count(), 100_000);
    let last = body.trim_end().rsplit("\n\n").next().unwrap();
    let retry = last.split_once("\nevent: position\ndata: ").unwrap().0;
    let retry = retry.strip_prefix("retry: ").unwrap().parse::<u64>();
    assert!(
        retry.is_ok_and(|retry| (500..1_000).contains(&retry)),
        "{last:?}"
    );
    assert_eq!(
        end,
        Err(ErrorKind::ConnectionReset),
        "a close would look like a clean end"
    );
    let (text, end) = read_raw(&mut new);
    assert_eq!(end, Ok(()), "and nothing that overtakes what was sent");
    assert!(text.contains("transfer-encoding: chunked"));
    assert!(
        text.ends_with("\n\n\r\n2\r\n:"),
        "a chunk that is announced longer than it is"
    );
    assert_eq!(text.matches('~').count(), 100_000);
    assert!(server.wait().success());
}

#[test]
fn without_chunked_coding_a_stream_that_outlasts_the_drain_time_ends_with_a_reset() {
    let mut server = Server::start(&["--drain-time", "0s"]);
    let mut socket = server.connect();
    socket.write_all(b"GET /events HTTP/1.0\r\n\r\n").unwrap();
    wait_until("it is a subscriber", || server.metric("subscribers") == 1);
    server.signal("-TERM");
    let (_, end) = read_raw(&mut socket);
    assert_eq!(end, Err(ErrorKind::ConnectionReset));
    assert!(server.wait().success());
}

#[test]
fn a_client_that_has_sent_more_than_its_request_still_gets_everything_before_the_cut() {
    let mut server = Server::start(&[]);
    let mut stream = server.subscribe("/events?topic=a");
    stream
        .socket()
        .write_all(&b"GET / HTTP/1.1\r\n\r\n".repeat(100))
        .unwrap();
    server.publish("a", "x");
    server.signal("-TERM");
    assert_eq!(stream.data(1), ["x"]);
    assert_eq!(stream.drain_to_farewell(), []);
    assert!(server.wait().success());
}

#[test]
fn at_the_limit_of_subscribers_a_client_is_sent_retry_and_a_cut() {
    let server = Server::start(&["--max-subscribers", "2"]);
    let streams = ["1", "2"].map(|_| server.subscribe("/events"));
    wait_until("both are there", || server.metric("subscribers") == 2);
    let mut refused = server.subscribe_with("/events", "Accept: text/event-stream");
    assert_eq!(refused.header("content-type"), Some("text/event-stream"));
    assert_eq!(
        (refused.drain_to_farewell(), refused.end.take()),
        (vec![], Some(End::Cut))
    );
    assert!(
        refused.last_id.is_empty(),
        "it keeps the id that it brought"
    );
    let plain = server.get("/events");
    assert_eq!(
        (plain.status, plain.header("cache-control")),
        (503, Some("no-store"))
    );
    assert_eq!(server.ended("refused"), 2);
    drop(streams);
    wait_until("there is room", || server.metric("subscribers") == 0);
    server.subscribe("/events").until("connected");
}

#[test]
fn after_a_kill_and_a_new_start_an_old_id_is_a_gap() {
    let address = free_address().to_string();
    let mut server = Server::spawn(command(&["--listen", &address]));
    let mut stream = server.subscribe("/events?topic=a");
    let id = server.publish("a", "before");
    assert_eq!(stream.data(1), ["before"]);
    server.signal("-KILL");
    assert_eq!(stream.drain(), []);
    assert_eq!(stream.end, Some(End::Cut));
    server.wait();
    let server = Server::spawn(command(&["--listen", &address]));
    assert_eq!(server.address.to_string(), address);
    let resume =
        || -> Stream { server.subscribe_with("/events?topic=a", &format!("Last-Event-ID: {id}")) };
    let gap = resume().next().unwrap();
    assert_eq!(gap.data, format!(r#"{{"requested":"{id}","oldest":null}}"#));
    let first = server.publish("a", "after");
    let mut stream = resume();
    let gap = stream.next().unwrap();
    assert_eq!(
        gap.data,
        format!(r#"{{"requested":"{id}","oldest":"{first}"}}"#)
    );
    assert_eq!(stream.data(1), ["after"]);
    // What the gap said is enough to go on from.
    let mut stream =
        server.subscribe_with("/events?topic=a", &format!("Last-Event-ID: {}", gap.id));
    assert_eq!(stream.next().unwrap().name, "connected");
    assert_eq!(stream.data(1), ["after"]);
}
