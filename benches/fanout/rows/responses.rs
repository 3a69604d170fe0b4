//! One publisher that publishes as fast as it gets responses, and subscribers that read at once, as those on other
//! machines do: how long a response takes while its event, or the one before, is on its way.

use std::time::Duration;

use super::flood::{Flood, SUBSCRIBERS, measure_with};
use crate::{
    Selection,
    servers::Kind,
    streams::StreamsConfig,
    table::{Bound, Rounds, Row},
};

type Figure = fn(&Flood) -> f64;

const FIGURES: [(&str, &str, usize, Figure, Bound); 3] = [
    (
        "median response",
        " µs",
        0,
        |f| f.response_micros,
        Bound::None,
    ),
    (
        "events delivered a second",
        "",
        0,
        |f| f.delivered_per_second,
        Bound::None,
    ),
    (
        "CPU per delivered event",
        " µs",
        2,
        |f| f.cpu_micros,
        Bound::AtMost(0.3),
    ),
];

pub fn rows(_: &Selection) -> Vec<Row> {
    let rounds = Rounds::measure(&[Kind::Ours], Kind::others(), |kind| {
        measure_with(kind, 1, |config| StreamsConfig {
            pause: Duration::ZERO,
            ..config
        })
    });
    let mut rows = Vec::new();
    for (what, unit, digits, figure, bound) in FIGURES {
        for kind in std::iter::once(&Kind::Ours).chain(Kind::others()) {
            let bound = if *kind == Kind::Ours {
                bound
            } else {
                Bound::None
            };
            rows.extend(rounds.compare(*kind, Kind::Yardstick, figure).map(|c| {
                let measured = format!("{:.digits$}{unit}; the yardstick {:.digits$}{unit}", c.own, c.other);
                let what = format!(
                    "{what}, {SUBSCRIBERS} subscribers that read at once, 1 publisher as fast as answered"
                );
                Row::ratio(what, kind.name(), measured, c.ratio, bound)
            }));
        }
    }
    rows
}
