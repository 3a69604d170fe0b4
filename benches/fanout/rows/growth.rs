//! What a delivered event and an idle subscriber cost, by how many subscribers there are.

use std::time::Duration;

use super::{idle, steady};
use crate::{
    Asked, limits, picture,
    servers::{Kind, Server},
    table::{Bound, Ratio, Rounds, Row},
};

const LASTING: Duration = Duration::from_secs(2);
/// Whatever their number, so that small ones are measured as well.
const DELIVERIES_A_SECOND: usize = 20_000;
const FEWEST_EVENTS_A_SECOND: usize = 2;
const ROUNDS: usize = 3;

/// What so many subscribers cost: microseconds of CPU per delivered event, and KiB each.
pub struct Point {
    pub subscribers: usize,
    pub ours: (f64, f64),
    pub yardstick: (f64, f64),
    ratio: Ratio,
}

fn sizes() -> Vec<usize> {
    let most = limits::most_subscribers();
    let sizes = [100, 300, 1_000, 3_000, 10_000].into_iter();
    sizes.filter(|size| *size < most).chain([most]).collect()
}

fn measure(kind: Kind, subscribers: usize) -> (f64, f64) {
    // Pings would fall into some measurements.
    let server = match kind {
        Kind::Ours => Server::ours(&["--ping-interval", "1h"]),
        other => other.start(),
    };
    let (idle, crowd) = idle::measure(kind, &server, subscribers);
    let a_second = (DELIVERIES_A_SECOND / subscribers).max(FEWEST_EVENTS_A_SECOND);
    let every = Duration::from_secs(1) / a_second as u32;
    let events = (LASTING.as_secs_f64() / every.as_secs_f64()) as u32;
    let steady = steady::measure(kind, &server, &crowd, every, events, 0.0);
    (steady.cpu_micros, idle.resident_kib)
}

fn point(subscribers: usize) -> Point {
    let rounds = Rounds::at_most(ROUNDS, &[Kind::Ours], &[], |kind| {
        measure(kind, subscribers)
    });
    let compare = |figure: fn(&(f64, f64)) -> f64| {
        let compared = rounds.compare(Kind::Ours, Kind::Yardstick, figure);
        compared.expect("a round")
    };
    let (cpu, kib) = (compare(|both| both.0), compare(|both| both.1));
    Point {
        subscribers,
        ours: (cpu.own, kib.own),
        yardstick: (cpu.other, kib.other),
        ratio: cpu.ratio,
    }
}

impl Point {
    fn row(&self) -> Row {
        let told = |(cpu, kib): (f64, f64)| format!("{cpu:.2} µs, {kib:.2} KiB each");
        Row::ratio(
            format!("CPU per delivered event, {} subscribers", self.subscribers),
            "ours",
            format!(
                "{}; the yardstick {}",
                told(self.ours),
                told(self.yardstick)
            ),
            self.ratio,
            Bound::None,
        )
    }
}

pub fn rows(asked: &Asked) -> Vec<Row> {
    let points: Vec<Point> = sizes().into_iter().map(point).collect();
    if let Some(file) = &asked.svg {
        std::fs::write(file, picture::draw(&points)).expect("a file for the picture");
    }
    points.iter().map(Point::row).collect()
}
