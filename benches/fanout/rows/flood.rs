//! Publishers at full speed: what a delivered event costs, and how many are delivered.
//!
//! Each publisher has one request pending. The more publishers, the more events are due at once, and the more a
//! server saves that joins them; four stand for a few backends, and one shows how much is due to joining.

use std::time::{Duration, Instant};

use crate::{
    Selection,
    publisher::load,
    servers::Kind,
    streams::{Streams, StreamsConfig},
    table::{Bound, Ratio, Rounds, Row},
};

pub const SUBSCRIBERS: usize = 1_000;
const LASTING: Duration = Duration::from_secs(3);
/// Where the yardstick takes less than this for an event, sending is cheap and the rest weighs more.
const CHEAP_MICROS: f64 = 6.5;

pub struct Flood {
    pub cpu_micros: f64,
    pub delivered_per_second: f64,
    /// The median time until a publisher has its response.
    pub response_micros: f64,
    lost: f64,
}

fn measure(kind: Kind, publishers: usize) -> Flood {
    measure_with(kind, publishers, |config| config)
}

/// The same, with other subscribers.
pub fn measure_with(
    kind: Kind,
    publishers: usize,
    change: impl Fn(StreamsConfig) -> StreamsConfig,
) -> Flood {
    let server = kind.start();
    let streams = Streams::open(change(StreamsConfig::of(kind, &server, SUBSCRIBERS)));
    let cpu = server.cpu_micros();
    let begun = Instant::now();
    let load = load(server.address, publishers, &kind.publish_request(), LASTING);
    let due = load.published * SUBSCRIBERS as u64;
    streams.settle(due, kind.loses_nothing());
    let delivered = streams.blocks() as f64;
    let took = streams.last().expect("something has come") - begun;
    let lost = 1.0 - delivered / due as f64;
    Flood {
        cpu_micros: (server.cpu_micros() - cpu) / delivered,
        delivered_per_second: delivered / took.as_secs_f64(),
        response_micros: load.median_response().as_secs_f64() * 1e6,
        lost,
    }
}

pub fn rows(_: &Selection) -> Vec<Row> {
    let four = Rounds::measure(&[Kind::Ours, Kind::Axum], Kind::others(), |kind| {
        measure(kind, 4)
    });
    let mut rows = Vec::new();
    for kind in std::iter::once(&Kind::Ours).chain(Kind::others()) {
        rows.extend(of_kind(&four, *kind, "4 publishers"));
    }
    rows.extend(ahead_of_axum(&four));
    let one = Rounds::measure(&[Kind::Ours], &[], |kind| measure(kind, 1));
    rows.extend(of_kind(&one, Kind::Ours, "1 publisher"));
    rows
}

fn cpu(flood: &Flood) -> f64 {
    flood.cpu_micros
}

fn per_second(flood: &Flood) -> f64 {
    flood.delivered_per_second
}

fn of_kind(rounds: &Rounds<Flood>, kind: Kind, publishers: &str) -> Vec<Row> {
    let with_yardstick = |figure: fn(&Flood) -> f64| rounds.compare(kind, Kind::Yardstick, figure);
    let (Some(cpu), Some(rate)) = (with_yardstick(cpu), with_yardstick(per_second)) else {
        return Vec::new();
    };
    let lost = rounds.compare(kind, kind, |flood| flood.lost);
    let lost = lost.map_or(0.0, |lost| lost.own * 100.0);
    let lost = if lost > 0.0 {
        format!("; {lost:.1} % never came")
    } else {
        String::new()
    };
    let (most, least) = match kind {
        Kind::Ours if cpu.other < CHEAP_MICROS => (Bound::AtMost(0.80), Bound::AtLeast(1.3)),
        Kind::Ours => (Bound::AtMost(0.92), Bound::AtLeast(1.15)),
        _ => (Bound::None, Bound::None),
    };
    let row = |what, measured, ratio, bound| {
        let what = format!("{what}, {SUBSCRIBERS} subscribers, {publishers} as fast as answered");
        Row::ratio(what, kind.name(), measured, ratio, bound)
    };
    vec![
        row(
            "CPU per delivered event",
            format!("{:.2} µs; the yardstick {:.2} µs{lost}", cpu.own, cpu.other),
            cpu.ratio,
            most,
        ),
        row(
            "events delivered a second",
            format!("{:.0}; the yardstick {:.0}", rate.own, rate.other),
            rate.ratio,
            least,
        ),
    ]
}

fn ahead_of_axum(rounds: &Rounds<Flood>) -> Vec<Row> {
    let row = |what: &str, measured, ahead: Ratio| {
        let what = format!("{what}, of what axum makes, 4 publishers");
        Row::ratio(
            what,
            Kind::Ours.name(),
            measured,
            ahead,
            Bound::AtLeast(1.2),
        )
    };
    let by_cpu = rounds.compare(Kind::Axum, Kind::Ours, cpu).map(|axum| {
        let measured = format!("{:.2} µs each; axum {:.2} µs", axum.other, axum.own);
        row("deliveries with the same CPU", measured, axum.ratio)
    });
    let by_rate = rounds.compare(Kind::Ours, Kind::Axum, per_second);
    let by_rate = by_rate.map(|ours| {
        let measured = format!("{:.0}; axum {:.0}", ours.own, ours.other);
        row("deliveries a second", measured, ours.ratio)
    });
    by_cpu.into_iter().chain(by_rate).collect()
}
