//! All subscribers reconnect at once, and each has missed a hundred events.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::{
    Selection, limits,
    publisher::{Publisher, small},
    servers::{Kind, Server},
    streams::{Streams, StreamsConfig, request},
    table::{Bound, Compared, Row},
};

const SUBSCRIBERS: usize = 10_000;
const MISSED: u64 = 100;
/// Most subscribers that wait for a response at once: as many as fit into the backlog of a listener.
const AT_ONCE: usize = 2_000;

struct Reconnect {
    cpu_micros: f64,
    wall_millis: f64,
}

/// Publishes the missed events; returns the id before them.
fn publish(server: &Server) -> String {
    let mut publisher = Publisher::connect(server.address);
    let response = publisher.publish(&small("bench"));
    for _ in 0..MISSED {
        publisher.publish(&small("bench"));
    }
    let id = response.split(r#"{"id":""#).nth(1);
    let id = id.and_then(|id| id.split('"').next());
    id.expect("an id").to_owned()
}

/// The bytes with which a stream begins, up to the last missed event.
fn opening(address: SocketAddr, header: &str) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).expect("connected");
    let patience = Some(Duration::from_secs(10));
    socket.set_read_timeout(patience).expect("a bound");
    let request = request("bench", header);
    socket.write_all(request.as_bytes()).expect("written");
    let (mut all, mut space) = (Vec::new(), vec![0; 1 << 20]);
    // `connected` comes before the events, and the end of the chunk after them.
    let is_whole = |all: &[u8]| {
        let blocks = memchr::memmem::find_iter(all, b"\n\n").count() as u64;
        blocks > MISSED && all.ends_with(b"\r\n")
    };
    while !is_whole(&all) {
        let read = socket.read(&mut space).expect("the replay in time");
        assert!(read > 0, "the stream has ended");
        all.extend_from_slice(&space[..read]);
    }
    all
}

/// Opens the streams, and waits until each has received all missed events.
fn reconnect(kind: Kind, server: &Server, header: &str, count: usize) -> Reconnect {
    let header = header.to_owned();
    let cpu = server.cpu_micros();
    let begun = Instant::now();
    let streams = Streams::open(StreamsConfig {
        at_once: AT_ONCE,
        opening_blocks: 1,
        request: Box::new(move |_| request("bench", &header)),
        ..StreamsConfig::of(kind, server, count)
    });
    let last = streams.wait_for(MISSED * count as u64);
    Reconnect {
        cpu_micros: (server.cpu_micros() - cpu) / count as f64,
        wall_millis: (last - begun).as_secs_f64() * 1e3,
    }
}

pub fn rows(_: &Selection) -> Vec<Row> {
    let count = limits::subscribers(SUBSCRIBERS);
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("opening");
    let file = file.to_str().expect("a path of text");
    let mut walls = Vec::new();
    let cpu = Compared::pairs(usize::MAX, || {
        let server = Server::ours(&[]);
        let id = publish(&server);
        let header = format!("Last-Event-ID: {id}\r\n");
        fs::write(file, opening(server.address, &header)).expect("a file");
        let bare = reconnect(
            Kind::Yardstick,
            &Server::of_benchmark(&["bytes", file]),
            "",
            count,
        );
        let ours = reconnect(Kind::Ours, &server, &header, count);
        walls.push((ours.wall_millis, bare.wall_millis));
        (ours.cpu_micros, bare.cpu_micros)
    });
    let wall = Compared::of(&walls).expect("a pair");
    let what = format!("{count} come back at once, each {MISSED} events behind");
    let row = |part: &str, unit: &str, c: Compared| {
        let measured = format!(
            "{:.1} {unit}; the same bytes in one send {:.1} {unit}",
            c.own, c.other
        );
        Row::ratio(
            format!("{what}: {part}"),
            "ours",
            measured,
            c.ratio,
            Bound::None,
        )
    };
    vec![
        row("CPU per client", "µs", cpu),
        row("until all have all", "ms", wall),
    ]
}
