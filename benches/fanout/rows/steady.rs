//! Two events a second to many subscribers: what a delivered event costs the server, and when the
//! last subscriber has it.

use std::{
    collections::HashMap,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Asked,
    crowd::{Crowd, Wish},
    limits,
    publisher::{Publisher, small},
    servers::{Kind, Server},
    table::{Bound, Rounds, Row, median},
};

const SUBSCRIBERS: usize = 8_000;
/// As long as the time between two of our pings, so that as many fall into each measurement.
const LASTING: Duration = Duration::from_secs(10);
const EVERY: Duration = Duration::from_millis(500);

type Figure = fn(&Steady) -> f64;

/// Each with its unit, and how much of the yardstick's ours may take.
const FIGURES: [(&str, &str, Figure, f64); 2] = [
    ("CPU per delivered event", "µs", |s| s.cpu_micros, 1.12),
    ("latency to the last", "ms", |s| s.last_millis, 1.15),
];

/// What one measurement found.
#[derive(Clone, Copy)]
pub struct Steady {
    /// Per delivered event.
    pub cpu_micros: f64,
    /// From the begin of a publish until the last has its event.
    pub last_millis: f64,
}

/// Publishes to these subscribers at this pace. `idle_micros` is what the server takes of a second by
/// itself.
pub fn measure(
    kind: Kind,
    server: &Server,
    crowd: &Crowd,
    every: Duration,
    events: u32,
    idle_micros: f64,
) -> Steady {
    let mut publisher = Publisher::connect(server.address);
    let request = small("bench");
    let mut latencies = Vec::new();
    let (cpu, blocks, start) = (server.cpu_micros(), crowd.blocks(), Instant::now());
    for number in 1..=events {
        let due = crowd.blocks() + crowd.count as u64;
        let begin = Instant::now();
        publisher.publish(&request);
        let next = start + every * number;
        thread::sleep(next.saturating_duration_since(Instant::now()));
        crowd.settle(due, kind.loses_nothing());
        let last = crowd.last().filter(|last| *last > begin);
        latencies.extend(last.map(|last| (last - begin).as_secs_f64() * 1e3));
    }
    let idle = idle_micros * start.elapsed().as_secs_f64();
    let cpu = server.cpu_micros() - cpu - idle;
    Steady {
        cpu_micros: cpu / (crowd.blocks() - blocks) as f64,
        last_millis: median(latencies),
    }
}

/// Microseconds of CPU that the server takes of a second by itself.
fn idle(server: &Server) -> f64 {
    let cpu = server.cpu_micros();
    let begun = Instant::now();
    thread::sleep(LASTING);
    (server.cpu_micros() - cpu) / begun.elapsed().as_secs_f64()
}

pub fn rows(_: &Asked) -> Vec<Row> {
    let subscribers = limits::subscribers(SUBSCRIBERS);
    let events = LASTING.as_millis() / EVERY.as_millis();
    let mut idles: HashMap<&str, f64> = HashMap::new();
    let rounds = Rounds::measure(&[Kind::Ours], Kind::others(), |kind| {
        let server = kind.start();
        let crowd = Crowd::open(Wish::of(kind, &server, subscribers));
        // Once for each kind: it is a small part of the whole.
        let idle = kind.pings().then(|| {
            let known = idles.entry(kind.name());
            *known.or_insert_with(|| idle(&server))
        });
        measure(
            kind,
            &server,
            &crowd,
            EVERY,
            events as u32,
            idle.unwrap_or(0.0),
        )
    });
    let mut rows = Vec::new();
    for (what, unit, figure, most) in FIGURES {
        for kind in [Kind::Ours].iter().chain(Kind::others()) {
            let bound = match kind {
                Kind::Ours => Bound::AtMost(most),
                _ => Bound::None,
            };
            rows.extend(rounds.compare(*kind, Kind::Yardstick, figure).map(|c| {
                let measured = format!("{:.2} {unit}; the yardstick {:.2} {unit}", c.own, c.other);
                let what = format!("{what}, {subscribers} subscribers, 2 events a second");
                Row::ratio(what, kind.name(), measured, c.ratio, bound)
            }));
        }
    }
    rows
}
