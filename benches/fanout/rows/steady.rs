//! Two events a second to many subscribers: what a delivered event costs the server, and when the
//! last subscriber has it.

use std::time::Duration;

use crate::{
    Selection, limits,
    paced::{Delivery, Paced, take_turns},
    servers::{Kind, Server},
    streams::{Streams, StreamsConfig},
    table::{Bound, Rounds, Row},
};

pub const SUBSCRIBERS: usize = 8_000;
const LASTING: Duration = Duration::from_secs(10);
/// Two turns are the time between two events of one server.
const TURN: Duration = Duration::from_millis(250);

type Figure = fn(&Delivery) -> f64;

/// Each figure with its unit, and the bound of its ratio to the yardstick.
const FIGURES: [(&str, &str, Figure, f64); 2] = [
    ("CPU per delivered event", "µs", |d| d.cpu_micros, 1.12),
    ("latency to the last", "ms", |d| d.last_millis, 1.15),
];

/// A server and its subscribers.
fn start(kind: Kind, subscribers: usize) -> (Server, Streams) {
    let server = kind.start();
    let streams = Streams::open(StreamsConfig::of(kind, &server, subscribers));
    (server, streams)
}

/// Two servers at the same time.
pub fn measure(kinds: [Kind; 2], subscribers: usize) -> [Delivery; 2] {
    let started = kinds.map(|kind| (kind, start(kind, subscribers)));
    let mut sides = started.map(|(kind, (server, streams))| Paced::new(kind, server, streams));
    let turns = LASTING.as_millis() / TURN.as_millis();
    take_turns(&mut sides, TURN, turns as u32);
    sides.map(Paced::end)
}

pub fn rows(_: &Selection) -> Vec<Row> {
    // Two servers have them at once.
    let subscribers = limits::subscribers(2 * SUBSCRIBERS) / 2;
    let rounds = Rounds::beside_the_yardstick(&[Kind::Ours], Kind::others(), |kind| {
        measure([Kind::Yardstick, kind], subscribers).into()
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
