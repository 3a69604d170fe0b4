//! Clients that disconnect, or send too much, too slowly, or in pieces.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    thread,
    time::Duration,
};

use crate::support::{PATIENCE, Server, Stream, wait_until};
use socket2::SockRef;

const SUBSCRIBE: &str = "GET /events?topic=a HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// What a client may send behind an open stream.
const MAX_BEHIND_STREAM: usize = 64 << 10;

/// As many requests as fit into so many bytes.
fn requests(bytes: usize) -> Vec<u8> {
    let request = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    request.repeat(bytes / request.len())
}

/// The end of a connection on which the server is to say nothing more, or at least nothing good.
fn is_over(socket: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    match socket.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

/// What the server's work costs meanwhile.
fn cost(server: &Server, work: impl FnOnce()) -> Duration {
    let before = server.cpu_time();
    work();
    server.cpu_time().saturating_sub(before)
}

#[test]
fn a_subscriber_that_disconnects_is_noticed_though_nothing_is_published() {
    // No ping either comes to find out.
    let server = Server::start(&["--ping-interval", "1h", "--stall-timeout", "1h"]);
    for (number, way) in ["closed", "half closed", "reset"].into_iter().enumerate() {
        let mut stays = server.subscribe("/events");
        let mut leaves = server.subscribe("/events");
        stays.until("connected");
        leaves.until("connected");
        wait_until("both are there", || server.metric("subscribers") == 2);
        let socket = leaves.socket();
        match way {
            "half closed" => socket.shutdown(Shutdown::Write).unwrap(),
            "reset" => SockRef::from(socket)
                .set_linger(Some(Duration::ZERO))
                .unwrap(),
            _ => {}
        }
        let kept = (way == "half closed").then_some(leaves);
        wait_until(&format!("it is gone, having {way}"), || {
            server.metric("subscribers") == 1
        });
        drop((stays, kept));
        wait_until("the other is gone", || server.metric("subscribers") == 0);
        assert_eq!(server.ended("gone"), 2 * (number as u64 + 1));
    }
}

#[test]
fn requests_after_an_open_stream_cost_nothing() {
    const LOOK: Duration = Duration::from_secs(2);
    let server = Server::start(&["--ping-interval", "1h"]);
    let quiet: Vec<_> = (0..4)
        .map(|_| server.subscribe("/events?topic=a"))
        .collect();
    let idle = cost(&server, || thread::sleep(LOOK));
    drop(quiet);
    // Half of it in the packet of the first head, half behind it; then less than would be a cut.
    let mut piping: Vec<_> = (0..4)
        .map(|_| {
            let mut socket = server.connect();
            let first = [SUBSCRIBE.as_bytes(), &requests(MAX_BEHIND_STREAM / 3)].concat();
            socket.write_all(&first).unwrap();
            let mut stream = Stream::open(socket);
            stream.until("connected");
            stream
                .socket()
                .write_all(&requests(MAX_BEHIND_STREAM / 3))
                .unwrap();
            stream
        })
        .collect();
    let busy = cost(&server, || thread::sleep(LOOK));
    assert!(
        busy < idle + LOOK / 10,
        "{busy:?} of {LOOK:?}, and {idle:?} without"
    );
    // None of these was answered, and all are served on.
    server.publish("a", "x");
    for stream in &mut piping {
        assert_eq!(stream.next().unwrap().data, "x");
    }
}

#[test]
fn a_client_that_sends_requests_and_reads_no_response_costs_nothing() {
    const LOOK: Duration = Duration::from_secs(2);
    let server = Server::start(&["--stall-timeout", "1h", "--socket-buffer-bytes", "4096"]);
    let megabytes = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(2_000_000);
    let mut socket = server.connect();
    SockRef::from(&socket)
        .set_recv_buffer_size(4 << 10)
        .unwrap();
    socket.set_write_timeout(Some(LOOK)).unwrap();
    // It is not read from any more, once its answers find no room.
    let full = socket.write_all(&megabytes).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    let cost = cost(&server, || thread::sleep(LOOK));
    assert!(cost < LOOK / 10, "{cost:?} of {LOOK:?}");
}

#[test]
fn a_client_that_reads_its_responses_late_gets_all_of_them() {
    const REQUESTS: usize = 20_000;
    let server = Server::start(&["--socket-buffer-bytes", "4096"]);
    let request = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut socket = server.connect();
    let mut writer = socket.try_clone().unwrap();
    let writing = thread::spawn(move || writer.write_all(&request.repeat(REQUESTS)));
    let (mut answers, mut space) = (0, [0; 4_096]);
    thread::sleep(Duration::from_millis(300));
    while answers < REQUESTS {
        let read = socket.read(&mut space).expect("a response");
        assert!(read > 0, "{answers} of {REQUESTS}");
        answers += space[..read].split(|byte| *byte == b'}').count() - 1;
    }
    writing.join().unwrap().unwrap();
}

#[test]
fn a_client_that_sends_megabytes_after_its_stream_request_is_cut() {
    let server = Server::start(&["--ping-interval", "1h"]);
    let megabytes = requests(32 << 20);
    // Behind the stream, and in one piece with its head.
    for at_once in [false, true] {
        let mut socket = server.connect();
        if !at_once {
            socket.write_all(SUBSCRIBE.as_bytes()).unwrap();
            let mut stream = Stream::open(socket.try_clone().unwrap());
            stream.until("connected");
        }
        let all = [SUBSCRIBE.as_bytes(), &megabytes].concat();
        let cost = cost(&server, || {
            let piped = socket.write_all(if at_once { &all } else { &megabytes });
            let cut = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
            assert!(piped.is_err_and(|error| cut.contains(&error.kind())));
            wait_until("it is gone", || server.metric("subscribers") == 0);
        });
        assert!(cost < Duration::from_secs(1), "{cost:?}");
    }
    assert_eq!(server.ended("gone"), 2);
}

#[test]
fn a_request_head_may_come_in_pieces() {
    let server = Server::start(&[]);
    let mut socket = server.connect();
    for piece in SUBSCRIBE.as_bytes().chunks(7) {
        socket.write_all(piece).unwrap();
        thread::sleep(Duration::from_millis(5));
    }
    let mut stream = Stream::open(socket);
    stream.until("connected");
    server.publish("a", "x");
    assert_eq!(stream.next().unwrap().data, "x");
}

#[test]
fn a_connection_that_was_used_before_may_become_a_stream() {
    let server = Server::start(&[]);
    let mut socket = server.connect();
    let publish = "POST /events?topic=a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n\r\nx";
    // Pipelined: two answers, then the stream.
    socket
        .write_all(format!("{publish}{publish}{SUBSCRIBE}").as_bytes())
        .unwrap();
    let mut head = Vec::new();
    while !head
        .windows(17)
        .any(|window| window == b"text/event-stream")
    {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let text = String::from_utf8(head).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200").count(), 3, "{text}");
    assert_eq!(server.metric("published_events_total"), 2);
    wait_until("it is a subscriber", || server.metric("subscribers") == 1);
}

#[test]
fn a_request_head_that_is_sent_too_slowly_ends_the_connection() {
    let server = Server::start(&[]);
    // The first request of a connection, and one behind another.
    let connections = ["", "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"].map(|before| {
        let mut socket = server.connect();
        socket.write_all(before.as_bytes()).unwrap();
        let mut writer = socket.try_clone().unwrap();
        // A byte at a time, with no end.
        let writing = thread::spawn(move || {
            let head = b"GET /events HTTP/1.1\r\nX-Slow: "
                .iter()
                .chain(std::iter::repeat(&b'x'));
            for byte in head {
                if writer.write_all(&[*byte]).is_err() {
                    return;
                }
                thread::sleep(Duration::from_millis(50));
            }
        });
        (socket, writing)
    });
    for (mut socket, writing) in connections {
        assert!(is_over(&mut socket), "still open after {PATIENCE:?}");
        drop(socket);
        writing.join().unwrap();
    }
    assert_eq!(server.metric("subscribed_total"), 0);
}

#[test]
fn a_request_head_that_is_too_large_is_rejected() {
    let server = Server::start(&[]);
    let mut socket = server.connect();
    socket
        .write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n")
        .unwrap();
    let line = format!("X-Long: {}\r\n", "x".repeat(4_000));
    // Ends with an error: no server reads for ever.
    let refused = (0..10_000).any(|_| socket.write_all(line.as_bytes()).is_err());
    assert!(refused);
    let before = server.resident();
    let many = "X-Many: x\r\n".repeat(5_000);
    let mut socket = server.connect();
    let _ = socket.write_all(format!("GET /events HTTP/1.1\r\n{many}\r\n").as_bytes());
    let mut response = Vec::new();
    let _ = socket.read_to_end(&mut response);
    let status = response
        .get(9..12)
        .map_or_else(String::new, |code| String::from_utf8_lossy(code).into());
    assert!(response.is_empty() || status.starts_with('4'), "{status}");
    assert!(server.resident() < before + (8 << 20), "and is not kept");
    assert_eq!(server.metric("subscribed_total"), 0);
    assert_eq!(server.get("/health/live").status, 200);
}
