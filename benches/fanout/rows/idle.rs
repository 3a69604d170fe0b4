//! Idle subscribers: what a connection costs to open and to keep.

use std::{thread, time::Duration};

use crate::{
    Selection, limits,
    servers::{Kind, Server},
    streams::{Streams, StreamsConfig},
    table::{Bound, Rounds, Row},
};

const SUBSCRIBERS: usize = 10_000;
/// Subscribers that connect before, so that the cost of a first connection is not counted.
const FIRST: usize = 100;
/// How long a server may still work after its last response.
const SETTLES: Duration = Duration::from_millis(300);

#[derive(Clone, Copy)]
pub struct Idle {
    pub cpu_micros: f64,
    pub resident_kib: f64,
}

/// The cost of each subscriber, and their open streams.
pub fn measure(kind: Kind, server: &Server, count: usize) -> (Idle, Streams) {
    measure_with(server, (FIRST, count), |count| {
        StreamsConfig::of(kind, server, count)
    })
}

/// The same with these streams, of which some connect first.
pub fn measure_with(
    server: &Server,
    (first, count): (usize, usize),
    config: impl Fn(usize) -> StreamsConfig,
) -> (Idle, Streams) {
    let _first = Streams::open(config(first));
    thread::sleep(SETTLES);
    let (cpu, resident) = (server.cpu_micros(), server.resident());
    let streams = Streams::open(config(count));
    thread::sleep(SETTLES);
    let idle = Idle {
        cpu_micros: (server.cpu_micros() - cpu) / count as f64,
        resident_kib: (server.resident() - resident) / 1024.0 / count as f64,
    };
    (idle, streams)
}

pub fn rows(_: &Selection) -> Vec<Row> {
    let subscribers = limits::subscribers(SUBSCRIBERS);
    let rounds = Rounds::measure(&[Kind::Ours], Kind::others(), |kind| {
        let server = kind.start();
        measure(kind, &server, subscribers).0
    });
    let mut rows = Vec::new();
    for kind in std::iter::once(&Kind::Ours).chain(Kind::others()) {
        let bound = |most| match kind {
            Kind::Ours => Bound::AtMost(most),
            _ => Bound::None,
        };
        let with_yardstick =
            |figure: fn(&Idle) -> f64| rounds.compare(*kind, Kind::Yardstick, figure);
        rows.extend(with_yardstick(|idle| idle.resident_kib).map(|c| {
            let what = format!("resident KiB per idle subscriber, {subscribers} of them");
            Row {
                figure: Some(c.own),
                bound: bound(0.6),
                ..Row::text(what, kind.name(), format!("the yardstick {:.2}", c.other))
            }
        }));
        rows.extend(with_yardstick(|idle| idle.cpu_micros).map(|c| {
            let what = format!("CPU per connection, {subscribers} subscribers connect");
            let measured = format!("{:.1} µs; the yardstick {:.1} µs", c.own, c.other);
            Row::ratio(what, kind.name(), measured, c.ratio, bound(1.5))
        }));
    }
    rows
}
