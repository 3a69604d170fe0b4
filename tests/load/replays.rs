//! Clients that ask for a replay and do not read it.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::support::{Server, wait_until};

/// What the client's kernel takes of what is not read.
const NARROW: usize = 4 << 10;
const EVENT_BYTES: usize = 128 << 10;
/// A server whose memory holds few large events, and whose sockets take little.
const LITTLE: [&str; 6] = [
    "--socket-buffer-bytes",
    "4096",
    "--max-event-bytes",
    "131072",
    "--window-bytes",
    "4194304",
];
const HANDSHAKE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
/// Every way to ask for what is past.
const WAYS: [(&str, &str); 3] = [
    ("/events?topic=large&last=1", ""),
    ("/events?topic=large&last=1&format=json", ""),
    ("/ws?topic=large&last=1", HANDSHAKE),
];

fn ask(server: &Server, (path, lines): (&str, &str)) -> TcpStream {
    let mut socket = server.connect_narrow(NARROW);
    write!(
        socket,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n"
    )
    .unwrap();
    socket
}

/// One event that is far longer on the wire than its data.
fn publish_large(server: &Server) {
    let data = "\n".repeat(EVENT_BYTES);
    let response = server.post("/events?topic=large", "text/plain", &data);
    assert_eq!(response.status, 200, "{response:?}");
}

/// A server with a log on disk, which holds one large event that memory does not.
fn with_a_log(directory: &TempDir, budget: &str, stall_timeout: &str, further: &[&str]) -> Server {
    let directory = directory.path().to_str().unwrap();
    let arguments = [
        &LITTLE[..],
        &["--data-dir", directory, "--replay-buffer-bytes", budget],
        &["--stall-timeout", stall_timeout],
        further,
    ];
    let server = Server::start(&arguments.concat());
    publish_large(&server);
    let other = "x".repeat(EVENT_BYTES);
    (0..20).for_each(|_| drop(server.publish("other", &other)));
    server
}

/// So many of these that do not read, and how much the server grows by.
fn stuck(server: &Server, clients: usize, way: (&str, &str)) -> (Vec<TcpStream>, usize) {
    let before = server.resident();
    let stuck: Vec<_> = (0..clients).map(|_| ask(server, way)).collect();
    wait_until("all have been answered", || {
        stuck
            .iter()
            .all(|socket| socket.peek(&mut [0]).is_ok_and(|read| read > 0))
    });
    // Served behind them, on every worker.
    (0..64).for_each(|_| assert_eq!(server.get("/health/live").status, 200));
    let growth = server.resident().saturating_sub(before);
    (stuck, growth)
}

#[test]
fn replaying_clients_that_do_not_read_share_one_copy_of_an_event() {
    const CLIENTS: usize = 100;
    const MAX_GROWTH: usize = 24 << 20;
    for direct in [&[][..], &["--no-direct"]] {
        let server = Server::start(&[&LITTLE[..], direct].concat());
        publish_large(&server);
        for way in WAYS {
            let (_stuck, growth) = stuck(&server, CLIENTS, way);
            assert!(growth < MAX_GROWTH, "{way:?}: {} MiB", growth >> 20);
        }
    }
}

#[test]
fn replaying_clients_that_do_not_read_a_log_share_one_budget() {
    const CLIENTS: usize = 60;
    const BUDGET: u64 = 4 << 20;
    const MAX_GROWTH: usize = 24 << 20;
    for direct in [&[][..], &["--no-direct"]] {
        let directory = tempfile::tempdir().unwrap();
        let server = with_a_log(&directory, &BUDGET.to_string(), "10m", direct);
        for way in WAYS {
            let (stuck, growth) = stuck(&server, CLIENTS, way);
            assert!(growth < MAX_GROWTH, "{way:?}: {} MiB", growth >> 20);
            let held = server.metric("replay_buffer_bytes");
            assert!((1..=BUDGET).contains(&held), "{way:?}: {held}");
            drop(stuck);
            wait_until("what they held is free", || {
                server.metric("replay_buffer_bytes") == 0
            });
        }
    }
}

#[test]
fn reading_one_byte_now_and_then_does_not_block_other_replays() {
    for (direct, way) in [
        (&[][..], WAYS[0]),
        (&["--no-direct"], WAYS[1]),
        (&[], WAYS[2]),
    ] {
        let directory = tempfile::tempdir().unwrap();
        // Room for one replay alone.
        let server = with_a_log(&directory, "1000", "1s", direct);
        let mut trickling = ask(&server, way);
        wait_until("it holds all the room", || {
            server.metric("replay_buffer_bytes") > 0
                && trickling.peek(&mut [0]).is_ok_and(|read| read > 0)
        });
        let is_served = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_served.load(Ordering::Relaxed) {
                    if !matches!(trickling.read(&mut [0]), Ok(1..)) {
                        return;
                    }
                    thread::sleep(Duration::from_millis(50));
                }
            });
            // It may be told to come back meanwhile.
            let mut other = server.subscribe("/events?topic=large&last=1");
            while other.event().is_none() {
                other = server.subscribe("/events?topic=large&last=1");
            }
            is_served.store(true, Ordering::Relaxed);
        });
        assert_eq!(server.ended("stalled"), 1, "{way:?}");
    }
}
