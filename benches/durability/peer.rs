//! The same beside the server of the crate `durable-streams`, with its write-ahead log.

use std::{io::Write as _, net::TcpStream, time::Instant};

use crate::{
    Row, client, durable_streams_program as program, kernel, median, median_of,
    publish::{self, Published},
    server::{Server, directory},
};

const ROUNDS: usize = 3;
const REPLAYED: usize = 100_000;

pub fn rows() -> Vec<Row> {
    if program::path().is_none() {
        eprintln!("durable-streams is left out: cargo install durable-streams");
        return Vec::new();
    }
    let mut rows = publishers();
    rows.push(replay());
    rows
}

/// What publishers got of a server, and the CPU of each publish in microseconds.
fn measure(server: &Server, request: &str, publishers: usize) -> (Published, f64) {
    let cpu = kernel::run_micros(server.id());
    let published = publish::with_request(server, request, publishers);
    let cpu = kernel::run_micros(server.id()) - cpu;
    let each = cpu / published.took.len() as f64;
    (published, each)
}

#[derive(Default)]
struct Figures {
    per_second: Vec<f64>,
    cpu_micros: Vec<f64>,
    alone: Vec<std::time::Duration>,
}

impl Figures {
    fn add(&mut self, server: &Server, request: &str) {
        let (many, cpu) = measure(server, request, 64);
        self.per_second.push(many.per_second());
        self.cpu_micros.push(cpu);
        self.alone.push(median(measure(server, request, 1).0.took));
    }
}

fn publishers() -> Vec<Row> {
    let (mut ours, mut theirs) = (Figures::default(), Figures::default());
    for _ in 0..ROUNDS {
        let path = directory();
        let server = Server::on(&path.path().join("log"), &["--sync", "always"]);
        ours.add(&server, &client::event_request());
        drop(server);
        let path = directory();
        let server = Server::durable_streams(path.path());
        theirs.add(&server, &program::append_request());
    }
    let row = |what, ours: f64, theirs: f64, unit: &str, bound| Row {
        what,
        measured: format!("{ours:.1}{unit}; durable-streams {theirs:.1}{unit}"),
        ratio: ours / theirs,
        bound,
    };
    let micros = |took| median(took).as_secs_f64() * 1e6;
    vec![
        row(
            "64 publishers, durable, beside durable-streams: publishes a second",
            median_of(ours.per_second),
            median_of(theirs.per_second),
            "/s",
            "≥ 1.2",
        ),
        row(
            "64 publishers, durable, beside durable-streams: CPU per publish",
            median_of(ours.cpu_micros),
            median_of(theirs.cpu_micros),
            " µs",
            "≤ 0.9",
        ),
        row(
            "one publisher, durable, beside durable-streams: median response",
            micros(ours.alone),
            micros(theirs.alone),
            " µs",
            "",
        ),
    ]
}

/// From disk, as an event stream, without a pace.
fn replay() -> Row {
    let (ours, theirs) = (our_replay(), their_replay());
    Row {
        what: "replay of 100,000 events from disk over SSE, beside durable-streams",
        measured: format!("{ours:.0} MB/s; durable-streams {theirs:.0} MB/s"),
        ratio: ours / theirs,
        bound: "≥ 1.5",
    }
}

fn our_replay() -> f64 {
    let path = directory();
    let path = path.path().join("log");
    let args = [
        "--window-events",
        "16",
        "--max-event-bytes",
        "4096",
        "--replay-bytes-per-second",
        "0",
    ];
    let server = Server::on(&path, &[&args[..], &["--sync", "never"]].concat());
    client::fill(server.address, REPLAYED);
    drop(server);
    let server = Server::on(&path, &args);
    server.settle();
    let request = "GET /events?topic=*&since=earliest HTTP/1.1\r\nHost: localhost\r\n\r\n";
    median_rate(&server, request, b"\n\n", REPLAYED)
}

fn their_replay() -> f64 {
    let path = directory();
    let server = Server::durable_streams(path.path());
    let mut socket = TcpStream::connect(server.address).expect("connected");
    let many = program::DATA_BYTES * 1_000;
    let events = program::event().repeat(many / program::DATA_BYTES);
    for _ in 0..REPLAYED / 1_000 {
        client::post(&mut socket, &program::append(&events));
    }
    median_rate(
        &server,
        &program::read_request("-1"),
        program::DATA_END,
        REPLAYED,
    )
}

/// Bytes that arrive until as many events have ended, in MB a second.
fn median_rate(server: &Server, request: &str, end: &[u8], events: usize) -> f64 {
    let rates = (0..11).map(|_| {
        let mut socket = TcpStream::connect(server.address).expect("connected");
        let begun = Instant::now();
        socket.write_all(request.as_bytes()).expect("written");
        let bytes = client::read_events(&mut socket, end, events);
        bytes as f64 / begun.elapsed().as_secs_f64() / 1e6
    });
    median_of(rates.collect())
}
