//! Streams that are sent to many at once (`--io-uring`).

use std::{fs, io::Write as _, net::TcpStream};

use crate::support::{Server, Stream, command, has_ordinary_streams, shim::forbidding, wait_until};

const STREAMS: usize = 120;
const EVENTS: usize = 30;
/// On x86-64 and on ARM.
const IO_URING_SETUP: u32 = 425;

/// Whether the process has a ring.
fn has_ring(server: &Server) -> bool {
    let descriptors = fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
    let mut targets = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.any(|target| target.to_str() == Some("anon_inode:[io_uring]"))
}

/// Some are longer than what is copied into a chunk, or than a socket takes at once.
fn data(number: usize) -> String {
    let length = [10, 200, 20_000, 5, 60_000][number % 5];
    format!("{number:<length$}")
}

fn request(socket: &mut TcpStream, version: &str) {
    write!(
        socket,
        "GET /events?topic=t HTTP/{version}\r\nHost: localhost\r\n\r\n"
    )
    .unwrap();
}

/// A server that sends in batches; `None` where the kernel allows none, or all streams go through actix.
fn server(args: &[&str]) -> Option<Server> {
    if has_ordinary_streams() {
        return None;
    }
    let mut server = Server::start(&[&["--io-uring"], args].concat());
    let log = server.log();
    if log.contains("the kernel has no io_uring") {
        eprintln!("not tested: {log}");
        return None;
    }
    assert!(log.contains("streams are sent to in batches"), "{log}");
    assert!(has_ring(&server));
    Some(server)
}

#[test]
fn a_fan_out_in_batches_reaches_every_stream_in_order_beside_those_that_do_not_read_and_those_that_disconnect()
 {
    let Some(server) = server(&[
        "--max-event-bytes",
        "1MiB",
        "--socket-buffer-bytes",
        "16384",
    ]) else {
        return;
    };
    let open = |at: usize| {
        let mut socket = TcpStream::connect(server.address).unwrap();
        request(&mut socket, ["1.0", "1.1", "1.1"][at % 3]);
        socket
    };
    let mut streams: Vec<_> = (0..STREAMS).map(|at| Stream::open(open(at))).collect();
    let mut narrow = server.connect_narrow(4 << 10);
    request(&mut narrow, "1.1");
    let mut leaving: Vec<_> = (0..EVENTS).map(open).collect();
    wait_until("all have subscribed", || {
        server.metric("subscribers") == (STREAMS + 1 + EVENTS) as u64
    });
    let mut arriving = Vec::new();
    let reading = std::thread::scope(|scope| {
        let readers = streams.chunks_mut(STREAMS / 3).map(|streams| {
            scope.spawn(|| {
                for number in 0..EVENTS {
                    for stream in &mut *streams {
                        assert_eq!(stream.event().unwrap().data, data(number));
                    }
                }
            })
        });
        let readers: Vec<_> = readers.collect();
        for number in 0..EVENTS {
            server.publish("t", &data(number));
            // One connects in the place of one that disconnects.
            leaving.pop();
            arriving.push(open(number));
        }
        readers.into_iter().all(|reader| reader.join().is_ok())
    });
    assert!(reading);
    wait_until("those that left are gone", || {
        server.metric("subscribers") == (STREAMS + 1 + EVENTS) as u64
    });
    server.publish("t", &data(EVENTS));
    for arrived in arriving {
        let mut arrived = Stream::open(arrived);
        let next = |stream: &mut Stream| stream.event().unwrap().data;
        let first = next(&mut arrived);
        let number: usize = first.trim_end().parse().unwrap();
        assert_eq!(first, data(number));
        for number in number + 1..=EVENTS {
            assert_eq!(next(&mut arrived), data(number));
        }
    }
    let mut narrow = Stream::open(narrow);
    for number in 0..EVENTS {
        assert_eq!(narrow.event().unwrap().data, data(number));
    }
}

#[test]
fn streams_in_batches_end_as_others_do_when_the_server_drains() {
    let Some(mut server) = server(&[]) else {
        return;
    };
    let mut streams: Vec<_> = (0..50)
        .map(|_| server.subscribe("/events?topic=t"))
        .collect();
    server.publish("t", "last");
    server.signal("-TERM");
    for stream in &mut streams {
        let messages = stream.drain_to_farewell();
        assert!(messages.iter().any(|message| message.data == "last"));
    }
    assert!(server.wait().success());
}

#[test]
fn where_the_kernel_allows_no_io_uring_each_stream_is_sent_to_by_a_call_of_its_own() {
    let command = command(&["--listen", "127.0.0.1:0", "--io-uring"]);
    let mut server = Server::spawn(forbidding(command, IO_URING_SETUP));
    let log = server.log();
    assert!(
        log.contains("--io-uring: the kernel has no io_uring"),
        "{log}"
    );
    assert!(!has_ring(&server));
    let mut streams: Vec<_> = (0..20)
        .map(|_| server.subscribe("/events?topic=t"))
        .collect();
    server.publish("t", "x");
    for stream in &mut streams {
        assert_eq!(stream.event().unwrap().data, "x");
    }
}
