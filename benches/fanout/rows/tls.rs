//! What encryption costs, beside the same server without it, the yardstick with the connections of rustls, and nginx
//! with nchan. All have the same certificate and encrypt by the same cipher.

use super::{
    idle::{self, Idle},
    steady,
};
use crate::{
    Selection, limits,
    servers::Kind,
    table::{Bound, Compared, Rounds, Row},
};

pub fn rows(_: &Selection) -> Vec<Row> {
    // As many as two servers can have at once.
    let subscribers = limits::subscribers(2 * steady::SUBSCRIBERS) / 2;
    let nchan: &[Kind] = if Kind::nchan_is_installed() {
        &[Kind::NchanTls]
    } else {
        &[]
    };
    let mut rows = idle_rows(subscribers, nchan);
    rows.push(of_http(subscribers));
    let kinds = [Kind::OursTls].iter().chain(nchan);
    rows.extend(kinds.map(|kind| of_yardstick(*kind, subscribers)));
    rows
}

/// What a connection costs to open and to keep.
fn idle_rows(subscribers: usize, nchan: &[Kind]) -> Vec<Row> {
    let always = [Kind::YardstickTls, Kind::OursTls];
    let rounds = Rounds::measure(&always, nchan, |kind| {
        idle::measure(kind, &kind.start(), subscribers).0
    });
    let of_kind = |kind: &Kind| {
        let compare = |figure: fn(&Idle) -> f64| {
            let compared = rounds.compare(*kind, Kind::YardstickTls, figure);
            compared.expect("a round has both")
        };
        let kib = compare(|idle| idle.resident_kib);
        let cpu = compare(|idle| idle.cpu_micros);
        let bound = match kind {
            Kind::OursTls => Bound::AtMost(6.0),
            _ => Bound::None,
        };
        [
            Row {
                figure: Some(kib.own),
                bound,
                ..Row::text(
                    format!("resident KiB per idle TLS subscriber, {subscribers} of them"),
                    kind.name(),
                    format!("the yardstick over TLS {:.2}", kib.other),
                )
            },
            Row::ratio(
                format!("CPU per TLS connection, {subscribers} subscribers connect"),
                kind.name(),
                format!(
                    "{:.0} µs; the yardstick over TLS {:.0} µs",
                    cpu.own, cpu.other
                ),
                cpu.ratio,
                Bound::None,
            ),
        ]
    };
    [Kind::OursTls]
        .iter()
        .chain(nchan)
        .flat_map(of_kind)
        .collect()
}

fn of_http(subscribers: usize) -> Row {
    let c = deliveries(Kind::OursTls, Kind::Ours, subscribers);
    Row::ratio(
        format!(
            "CPU per event delivered over TLS, of one over HTTP, {subscribers} subscribers, 2 events a second"
        ),
        Kind::OursTls.name(),
        format!("{:.2} µs; over HTTP {:.2} µs", c.own, c.other),
        c.ratio,
        Bound::AtMost(1.3),
    )
}

fn of_yardstick(kind: Kind, subscribers: usize) -> Row {
    let c = deliveries(kind, Kind::YardstickTls, subscribers);
    Row::ratio(
        format!("CPU per event delivered over TLS, {subscribers} subscribers, 2 events a second"),
        kind.name(),
        format!("{:.2} µs; the yardstick over TLS {:.2} µs", c.own, c.other),
        c.ratio,
        Bound::None,
    )
}

/// CPU per delivered event, of two servers that take turns.
fn deliveries(kind: Kind, with: Kind, subscribers: usize) -> Compared {
    Compared::pairs(usize::MAX, || {
        let [with, own] = steady::measure([with, kind], subscribers);
        (own.cpu_micros, with.cpu_micros)
    })
}
