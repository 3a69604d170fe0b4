//! How long others wait while large bursts are sent, one after the other, to all subscribers of one topic.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Selection, limits, publisher,
    publisher::{Publisher, small},
    servers::Kind,
    streams::{Streams, StreamsConfig, request},
    table::Row,
};

const SUBSCRIBERS: usize = 10_000;
const LASTING: Duration = Duration::from_secs(8);
const EVERY: Duration = Duration::from_millis(10);
/// Events of a burst; the yardstick and nchan are sent one event of as many bytes.
const BURST: usize = 20;
const BURST_EVENT_BYTES: usize = 1_000;
const PATIENCE: Duration = Duration::from_secs(20);

struct Waits {
    responses: Vec<Duration>,
    deliveries: Vec<Duration>,
    first_bytes: Vec<Duration>,
    bursts: u64,
}

/// The publish of a burst, and how many events it is.
fn burst(kind: Kind) -> (String, u64) {
    let data = "x".repeat(BURST_EVENT_BYTES);
    match kind {
        Kind::Ours | Kind::NoDirect | Kind::IoUring => {
            let event = format!(r#"{{"data":"{data}"}}"#);
            let events = vec![event; BURST].join(",");
            let body = format!("[{events}]");
            let publish = publisher::request("bench", "application/json", &body);
            (publish, BURST as u64)
        }
        _ => (
            publisher::request("bench", "text/plain", &data.repeat(BURST)),
            1,
        ),
    }
}

/// Publishes bursts one after the other; returns how many.
fn keep_bursting(streams: &Streams, address: SocketAddr, kind: Kind) -> u64 {
    let (request, events) = burst(kind);
    let mut publisher = Publisher::connect(address);
    let (begun, mut bursts) = (Instant::now(), 0);
    while begun.elapsed() < LASTING {
        let due = streams.blocks() + events * streams.count as u64;
        publisher.publish(&request);
        streams.settle(due, kind.loses_nothing());
        bursts += 1;
    }
    bursts
}

/// The times at which to begin, at a fixed rate. A wait counts from its time also where the one before it took
/// too long (coordinated omission).
fn ticks() -> impl Iterator<Item = Instant> {
    let begun = Instant::now();
    let is_time = move || begun.elapsed() < LASTING;
    let ticks = (0..).map(move |number| begun + EVERY * number);
    let ticks = ticks.take_while(move |_| is_time());
    ticks.inspect(|tick| thread::sleep(tick.saturating_duration_since(Instant::now())))
}

/// How long each new connection waits for the first byte of a stream.
fn keep_connecting(address: SocketAddr) -> Vec<Duration> {
    let mut took = Vec::new();
    for begin in ticks() {
        let mut socket = TcpStream::connect_timeout(&address, PATIENCE).expect("connected");
        socket.set_read_timeout(Some(PATIENCE)).expect("a bound");
        let request = request("connecting", "");
        socket.write_all(request.as_bytes()).expect("written");
        socket.read_exact(&mut [0]).expect("a byte in time");
        took.push(begin.elapsed());
    }
    took
}

/// When each publish to one subscriber was due, and how long its response took.
fn keep_publishing(address: SocketAddr) -> (Vec<Instant>, Vec<Duration>) {
    let mut publisher = Publisher::connect(address);
    let request = small("quiet");
    let (mut begins, mut took) = (Vec::new(), Vec::new());
    for begin in ticks() {
        publisher.publish(&request);
        took.push(begin.elapsed());
        begins.push(begin);
    }
    (begins, took)
}

fn measure(kind: Kind) -> Waits {
    let server = kind.start();
    let address = server.address;
    let count = limits::subscribers(SUBSCRIBERS);
    let streams = Streams::open(StreamsConfig::of(kind, &server, count));
    let one = Streams::open(StreamsConfig {
        request: Box::new(|_| request("quiet", "")),
        ..StreamsConfig::of(kind, &server, 1)
    });
    let ((begins, responses), first_bytes, bursts) = thread::scope(|scope| {
        let bursts = scope.spawn(|| keep_bursting(&streams, address, kind));
        let connecting = scope.spawn(|| keep_connecting(address));
        let published = keep_publishing(address);
        let first_bytes = connecting.join().expect("connections");
        (published, first_bytes, bursts.join().expect("bursts"))
    });
    one.settle(begins.len() as u64, kind.loses_nothing());
    let arrivals = one.arrivals();
    let deliveries = begins.iter().zip(arrivals).map(|(from, to)| to - *from);
    Waits {
        responses,
        deliveries: deliveries.collect(),
        first_bytes,
        bursts,
    }
}

fn percentiles(mut waits: Vec<Duration>) -> String {
    waits.sort();
    let at = |part: usize| waits[(waits.len() * part / 100).min(waits.len() - 1)];
    format!("{:.1?}, {:.1?}, {:.1?}", at(50), at(99), at(100))
}

pub fn rows(_: &Selection) -> Vec<Row> {
    let mut rows = Vec::new();
    let with_topics = |kind: &&Kind| ![Kind::Axum, Kind::DurableStreams].contains(kind);
    let others = Kind::others().iter().filter(with_topics);
    for kind in [Kind::Yardstick, Kind::Ours].iter().chain(others) {
        let waits = measure(*kind);
        let kib = BURST * BURST_EVENT_BYTES / 1_000;
        let bursts = format!(
            "{:.1} bursts a second of {kib} kB to {SUBSCRIBERS}",
            waits.bursts as f64 / LASTING.as_secs_f64()
        );
        for (what, waits) in [
            (
                "a publish until the one subscriber has it",
                waits.deliveries,
            ),
            ("a publish's answer", waits.responses),
            ("a new connection's first byte", waits.first_bytes),
        ] {
            let what = format!("p50, p99, max of {what}, beside bursts");
            rows.push(Row::text(
                what,
                kind.name(),
                format!("{}; {bursts}", percentiles(waits)),
            ));
        }
    }
    rows
}
