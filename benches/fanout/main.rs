//! What the fan-out costs, as ratios within one run: real servers over loopback, each a process of
//! its own, against a bare epoll loop (the yardstick).
//!
//! `cargo bench --bench fanout`, or some rows by a part of their names behind `--`. Each ratio is the
//! median of `BENCH_PAIRS` (5). `--svg FILE` draws how cost grows.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people"
)]

mod crowd;
mod kernel;
mod limits;
mod paced;
mod picture;
mod publisher;
mod rows;
mod serve;
mod servers;
mod table;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    time::Instant,
};

use self::table::Row;

/// As in our binary, for all servers that this one stands in for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What was asked for on the command line.
#[derive(Debug, Default)]
pub struct Selection {
    /// Parts of names; all rows where there are none.
    parts: Vec<String>,
    svg: Option<String>,
}

impl Selection {
    fn read(mut args: impl Iterator<Item = String>) -> Self {
        let mut asked = Self::default();
        while let Some(argument) = args.next() {
            match argument.as_str() {
                "--svg" => asked.svg = Some(args.next().expect("--svg takes a file")),
                flag if flag.starts_with("--") => {}
                _ => asked.parts.push(argument),
            }
        }
        asked
    }

    fn has(&self, name: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|part| name.contains(part))
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    limits::raise();
    match args.first().map(String::as_str) {
        Some("serve") => serve::run(&args[1..]),
        Some("leash") => serve::leash(&args[1..]),
        _ => return measure(&Selection::read(args.into_iter())),
    }
    ExitCode::SUCCESS
}

type Measure = fn(&Selection) -> Vec<Row>;

fn measure(asked: &Selection) -> ExitCode {
    let rows: [(&str, Measure); 8] = [
        ("steady", rows::steady::rows),
        ("flood", rows::flood::rows),
        ("idle", rows::idle::rows),
        ("publishers", rows::publishers::rows),
        ("reconnect", rows::reconnect::rows),
        ("topics", rows::topics::rows),
        ("fairness", rows::fairness::rows),
        ("grow", rows::growth::rows),
    ];
    let mut code = ExitCode::SUCCESS;
    Row::print_head();
    for (name, measure) in rows.into_iter().filter(|(name, _)| asked.has(name)) {
        let begun = Instant::now();
        // What went wrong has been said; the others may still be measured.
        match catch_unwind(AssertUnwindSafe(|| measure(asked))) {
            Ok(rows) => rows.iter().for_each(Row::print),
            Err(_) => code = ExitCode::FAILURE,
        }
        eprintln!("{name}: {:.0} s", begun.elapsed().as_secs_f64());
    }
    code
}
