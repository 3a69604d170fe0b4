//! What a delivered event and an idle subscriber cost, by the number of subscribers.

use std::time::Duration;

use super::idle;
use crate::{
    Selection, limits,
    paced::{Paced, take_turns},
    picture::{self, Cost, Point},
    servers::{Kind, Server},
    table::{Bound, Compared, Row},
};

const LASTING: Duration = Duration::from_secs(2);
/// The same for every number of subscribers, so that small numbers are measured as precisely.
const DELIVERIES_A_SECOND: usize = 20_000;
const FEWEST_EVENTS_A_SECOND: usize = 2;
const ROUNDS: usize = 3;

fn sizes() -> Vec<usize> {
    let most = limits::most_subscribers();
    let sizes = [100, 300, 1_000, 3_000, 10_000].into_iter();
    sizes.filter(|size| *size < most).chain([most]).collect()
}

/// A server with its subscribers, and the memory of each in KiB.
fn start(kind: Kind, subscribers: usize) -> (Paced, f64) {
    // Pings would fall into some measurements.
    let server = match kind {
        Kind::Ours => Server::ours(&["--ping-interval", "1h"]),
        other => other.start(),
    };
    let (idle, streams) = idle::measure(kind, &server, subscribers);
    (Paced::new(kind, server, streams), idle.resident_kib)
}

/// Ours and the yardstick: in turn where the limit of open files allows both at once.
fn measure(subscribers: usize) -> (Cost, Cost) {
    let a_second = (DELIVERIES_A_SECOND / subscribers).max(FEWEST_EVENTS_A_SECOND);
    let every = Duration::from_secs(1) / a_second as u32;
    let events = LASTING.as_millis() / every.as_millis();
    let start = |kind| start(kind, subscribers);
    let cost = |side: Paced, kib| Cost {
        micros: side.end().cpu_micros,
        kib,
    };
    if 2 * subscribers < limits::most_subscribers() {
        let ((yardstick, yardstick_kib), (ours, kib)) = (start(Kind::Yardstick), start(Kind::Ours));
        let mut sides = [yardstick, ours];
        take_turns(&mut sides, every / 2, 2 * events as u32);
        let [yardstick, ours] = sides;
        return (cost(ours, kib), cost(yardstick, yardstick_kib));
    }
    let alone = |kind| {
        let (side, kib) = start(kind);
        let mut sides = [side];
        take_turns(&mut sides, every, events as u32);
        let [side] = sides;
        cost(side, kib)
    };
    let yardstick = alone(Kind::Yardstick);
    (alone(Kind::Ours), yardstick)
}

fn point(subscribers: usize) -> Point {
    let mut kib = Vec::new();
    let micros = Compared::pairs(ROUNDS, || {
        let (ours, yardstick) = measure(subscribers);
        kib.push((ours.kib, yardstick.kib));
        (ours.micros, yardstick.micros)
    });
    let kib = Compared::of(&kib).expect("a round");
    let cost = |micros, kib| Cost { micros, kib };
    Point {
        subscribers,
        ours: cost(micros.own, kib.own),
        yardstick: cost(micros.other, kib.other),
        ratio: micros.ratio,
    }
}

fn row(point: &Point) -> Row {
    let shown = |cost: Cost| format!("{:.2} µs, {:.2} KiB each", cost.micros, cost.kib);
    Row::ratio(
        format!("CPU per delivered event, {} subscribers", point.subscribers),
        "ours",
        format!(
            "{}; the yardstick {}",
            shown(point.ours),
            shown(point.yardstick)
        ),
        point.ratio,
        Bound::None,
    )
}

pub fn rows(asked: &Selection) -> Vec<Row> {
    let points: Vec<Point> = sizes().into_iter().map(point).collect();
    if let Some(file) = &asked.svg {
        std::fs::write(file, picture::draw(&points)).expect("a file for the picture");
    }
    points.iter().map(row).collect()
}
