//! All come back at once, each a hundred events behind.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::{
    Selection,
    crowd::{Crowd, StreamRequest, request},
    limits,
    publisher::{Publisher, small},
    servers::{Kind, Server},
    table::{Bound, Compared, Row},
};

const SUBSCRIBERS: usize = 10_000;
const BEHIND: u64 = 100;
/// Most that wait for an answer at once: what a listener's backlog has room for.
const AT_ONCE: usize = 2_000;

struct Return {
    cpu_micros: f64,
    wall_millis: f64,
}

/// Publishes what they missed; returns the last id that they had.
fn publish(server: &Server) -> String {
    let mut publisher = Publisher::connect(server.address);
    let answer = publisher.publish(&small("bench"));
    for _ in 0..BEHIND {
        publisher.publish(&small("bench"));
    }
    let id = answer.split(r#"{"id":""#).nth(1);
    let id = id.and_then(|id| id.split('"').next());
    id.expect("an id").to_owned()
}

/// All that a stream begins with, to its last event.
fn opening(address: SocketAddr, header: &str) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).expect("connected");
    let patience = Some(Duration::from_secs(10));
    socket.set_read_timeout(patience).expect("a bound");
    let request = request("bench", header);
    socket.write_all(request.as_bytes()).expect("written");
    let (mut all, mut space) = (Vec::new(), vec![0; 1 << 20]);
    // `connected` comes before the events, the chunk's end behind them.
    let is_whole = |all: &[u8]| {
        let blocks = memchr::memmem::find_iter(all, b"\n\n").count() as u64;
        blocks > BEHIND && all.ends_with(b"\r\n")
    };
    while !is_whole(&all) {
        let read = socket.read(&mut space).expect("the replay in time");
        assert!(read > 0, "the stream has ended");
        all.extend_from_slice(&space[..read]);
    }
    all
}

/// Both begin with `connected`, and are waited for until they have all that is behind it.
fn come_back(kind: Kind, server: &Server, header: &str, count: usize) -> Return {
    let header = header.to_owned();
    let cpu = server.cpu_micros();
    let begun = Instant::now();
    let crowd = Crowd::open(StreamRequest {
        at_once: AT_ONCE,
        opening_blocks: 1,
        request: Box::new(move |_| request("bench", &header)),
        ..StreamRequest::of(kind, server, count)
    });
    let last = crowd.wait_for(BEHIND * count as u64);
    Return {
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
        let bare = come_back(Kind::Yardstick, &Server::own(&["bytes", file]), "", count);
        let ours = come_back(Kind::Ours, &server, &header, count);
        walls.push((ours.wall_millis, bare.wall_millis));
        (ours.cpu_micros, bare.cpu_micros)
    });
    let wall = Compared::of(&walls).expect("a pair");
    let what = format!("{count} come back at once, each {BEHIND} events behind");
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
