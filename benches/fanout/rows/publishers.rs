//! Publishers without subscribers: what history and the broadcaster add to reading a body and responding.

use std::time::Duration;

use crate::{
    Selection,
    publisher::load,
    servers::{Kind, Server},
    table::{Bound, Compared, Row},
};

const PUBLISHERS: usize = 64;
/// The two take turns: on a busy machine no second is like the next.
const TURN: Duration = Duration::from_millis(500);
const TURNS: usize = 6;

struct Side {
    server: Server,
    request: String,
    published: f64,
    seconds: f64,
    cpu_micros: f64,
}

impl Side {
    /// The first turn, in which memory grows to its final size, is not counted.
    fn begin(kind: Kind, server: Server) -> Self {
        let request = kind.publish_request();
        load(server.address, PUBLISHERS, &request, TURN);
        Self {
            server,
            request,
            published: 0.0,
            seconds: 0.0,
            cpu_micros: 0.0,
        }
    }

    fn take_turn(&mut self) {
        let cpu = self.server.cpu_micros();
        let load = load(self.server.address, PUBLISHERS, &self.request, TURN);
        self.published += load.published as f64;
        self.seconds += load.took.as_secs_f64();
        self.cpu_micros += self.server.cpu_micros() - cpu;
    }
}

pub fn rows(_: &Selection) -> Vec<Row> {
    let mut rows = beside(
        "the same server answering only",
        Bound::AtLeast(0.85),
        || Side::begin(Kind::Ours, Server::of_benchmark(&["response-only"])),
    );
    let kind = Kind::DurableStreams;
    if Kind::others().contains(&kind) {
        rows.extend(beside(kind.name(), Bound::None, || {
            Side::begin(kind, kind.start())
        }));
    }
    rows
}

/// Ours beside another server.
fn beside(name: &str, least: Bound, other: impl Fn() -> Side) -> Vec<Row> {
    let mut cpu = Vec::new();
    let rate = Compared::pairs(usize::MAX, || {
        let mut sides = [Side::begin(Kind::Ours, Kind::Ours.start()), other()];
        for _ in 0..TURNS {
            sides.iter_mut().for_each(Side::take_turn);
        }
        let [ours, other] = sides;
        let micros = |side: &Side| side.cpu_micros / side.published;
        cpu.push((micros(&ours), micros(&other)));
        let a_second = |side: &Side| side.published / side.seconds;
        (a_second(&ours), a_second(&other))
    });
    let cpu = Compared::of(&cpu).expect("a pair");
    let row = |what, figures: Compared, digits, unit, bound| {
        let Compared { own, other, ratio } = figures;
        let what = format!("{what}, {PUBLISHERS} publishers, no subscribers");
        let measured = format!("{own:.digits$}{unit}; {name} {other:.digits$}{unit}");
        Row::ratio(what, Kind::Ours.name(), measured, ratio, bound)
    };
    vec![
        row("publishes a second", rate, 0, "/s", least),
        row("CPU per publish", cpu, 1, " µs", Bound::None),
    ]
}
