//! What others wait while large bursts go out, one behind the other, to everybody of one topic.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Selection,
    crowd::{Crowd, StreamRequest, request},
    limits, publisher,
    publisher::{Publisher, small},
    servers::Kind,
    table::Row,
};

const SUBSCRIBERS: usize = 10_000;
const LASTING: Duration = Duration::from_secs(8);
const EVERY: Duration = Duration::from_millis(10);
/// Events of a burst; the yardstick and nchan get them as one, of as many bytes.
const BURST: usize = 20;
const BURST_EVENT_BYTES: usize = 1_000;
const PATIENCE: Duration = Duration::from_secs(20);

struct Waits {
    answers: Vec<Duration>,
    deliveries: Vec<Duration>,
    first_bytes: Vec<Duration>,
    bursts: u64,
}

/// The publish of a burst, and how many events it is.
fn burst(kind: Kind) -> (String, u64) {
    let data = "x".repeat(BURST_EVENT_BYTES);
    match kind {
        Kind::Ours | Kind::NoDirect => {
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

/// Has bursts follow each other; returns how many.
fn keep_bursting(crowd: &Crowd, address: SocketAddr, kind: Kind) -> u64 {
    let (request, events) = burst(kind);
    let mut publisher = Publisher::connect(address);
    let (begun, mut bursts) = (Instant::now(), 0);
    while begun.elapsed() < LASTING {
        let due = crowd.blocks() + events * crowd.count as u64;
        publisher.publish(&request);
        crowd.settle(due, kind.loses_nothing());
        bursts += 1;
    }
    bursts
}

/// When to begin, at a fixed pace: a wait counts from there also for those that come late because
/// the one before waited long.
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

/// When each publish to one subscriber was to begin, and how long its answer took.
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
    let crowd = Crowd::open(StreamRequest::of(kind, &server, count));
    let one = Crowd::open(StreamRequest {
        request: Box::new(|_| request("quiet", "")),
        ..StreamRequest::of(kind, &server, 1)
    });
    let ((begins, answers), first_bytes, bursts) = thread::scope(|scope| {
        let bursts = scope.spawn(|| keep_bursting(&crowd, address, kind));
        let connecting = scope.spawn(|| keep_connecting(address));
        let published = keep_publishing(address);
        let first_bytes = connecting.join().expect("connections");
        (published, first_bytes, bursts.join().expect("bursts"))
    });
    one.settle(begins.len() as u64, kind.loses_nothing());
    let arrivals = one.arrivals();
    let deliveries = begins.iter().zip(arrivals).map(|(from, to)| to - *from);
    Waits {
        answers,
        deliveries: deliveries.collect(),
        first_bytes,
        bursts,
    }
}

fn told(mut waits: Vec<Duration>) -> String {
    waits.sort();
    let at = |part: usize| waits[(waits.len() * part / 100).min(waits.len() - 1)];
    format!("{:.1?}, {:.1?}, {:.1?}", at(50), at(99), at(100))
}

pub fn rows(_: &Selection) -> Vec<Row> {
    let mut rows = Vec::new();
    let with_topics = |kind: &&Kind| **kind != Kind::Axum;
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
            ("a publish's answer", waits.answers),
            ("a new connection's first byte", waits.first_bytes),
        ] {
            let what = format!("p50, p99, max of {what}, beside bursts");
            rows.push(Row::told(
                what,
                kind.name(),
                format!("{}; {bursts}", told(waits)),
            ));
        }
    }
    rows
}
