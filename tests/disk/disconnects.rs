//! Clients that disconnect before the response, which comes late when a disk is slow.

use std::{
    fs,
    io::Write,
    net::{Shutdown, TcpStream},
};

use crate::{
    disk::log::{Log, replay},
    support::shim::faulty,
    support::{Response, Server, wait_until},
};

/// A server whose disk has taken a publish, and does not end its sync.
fn in_a_sync(log: &Log) -> (Server, TcpStream) {
    let command = log.command(&["--sync", "always"]);
    let server = Server::spawn(faulty(command, &log.path(), &log.beside("fault")));
    fs::write(log.beside("fault"), "HOLD").unwrap();
    let mut socket = server.connect();
    let request = "POST /events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n\
                   Content-Length: 10\r\n\r\npublished!";
    socket.write_all(request.as_bytes()).unwrap();
    wait_until("it is written", || {
        let journal = fs::read(log.path().join("log/0.jnl")).unwrap();
        let text = b"published!";
        journal[..64 << 10]
            .windows(text.len())
            .any(|part| part == text)
    });
    (server, socket)
}

fn end_the_sync(log: &Log) {
    fs::remove_file(log.beside("fault")).unwrap();
}

#[test]
fn a_client_that_shuts_down_its_sending_side_still_gets_its_response() {
    let log = Log::new();
    let (server, socket) = in_a_sync(&log);
    socket.shutdown(Shutdown::Write).unwrap();
    // By then the server has seen it.
    assert_eq!(server.get("/health/live").status, 200);
    end_the_sync(&log);
    let response = Response::read(socket);
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(replay(&server).len(), 1);
}

#[test]
fn a_publish_whose_client_disconnects_before_the_response_is_delivered_and_kept() {
    let log = Log::new();
    let (server, socket) = in_a_sync(&log);
    let mut stream = server.subscribe("/events?topic=*");
    stream.until("connected");
    drop(socket);
    assert_eq!(server.get("/health/live").status, 200);
    end_the_sync(&log);
    assert_eq!(stream.data(1), ["published!"]);
    drop(server);
    assert_eq!(replay(&log.start(&[])).len(), 1);
}
