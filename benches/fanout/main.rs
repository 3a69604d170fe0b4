//! What fan-out costs, as ratios within one run: real servers over loopback, each a process of its own, compared
//! with a bare epoll loop (the yardstick).
//!
//! `cargo bench --bench fanout` measures all rows; parts of their names after `--` select some. Each ratio is the
//! median of `BENCH_PAIRS` (5) pairs. `--svg FILE` draws how cost grows.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people"
)]

mod certificate;
#[path = "../support/durable_streams.rs"]
mod durable_streams_program;
mod kernel;
mod limits;
mod link;
mod paced;
mod picture;
#[path = "../support/programs.rs"]
mod programs;
mod publisher;
mod rows;
mod serve;
mod servers;
mod streams;
mod table;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    time::Instant,
};

use self::table::Row;

/// The allocator of our binary, for all servers in this program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the command line selects.
#[derive(Debug, Default)]
pub struct Selection {
    /// Parts of names; all rows where there are none.
    parts: Vec<String>,
    svg: Option<String>,
}

impl Selection {
    fn read(mut args: impl Iterator<Item = String>) -> Self {
        let mut selection = Self::default();
        while let Some(argument) = args.next() {
            match argument.as_str() {
                "--svg" => selection.svg = Some(args.next().expect("--svg takes a file")),
                flag if flag.starts_with("--") => {}
                _ => selection.parts.push(argument),
            }
        }
        selection
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
        Some("end-with-parent") => serve::end_with_parent(&args[1..]),
        _ => return measure(&Selection::read(args.into_iter())),
    }
    ExitCode::SUCCESS
}

type Measure = fn(&Selection) -> Vec<Row>;

fn measure(selection: &Selection) -> ExitCode {
    let rows: [(&str, Measure); 12] = [
        ("steady", rows::steady::rows),
        ("flood", rows::flood::rows),
        ("responses", rows::responses::rows),
        ("idle", rows::idle::rows),
        ("publishers", rows::publishers::rows),
        ("reconnect", rows::reconnect::rows),
        ("topics", rows::topics::rows),
        ("fairness", rows::fairness::rows),
        ("access", rows::access::rows),
        ("tls", rows::tls::rows),
        ("tls-handshakes", rows::tls_handshakes::rows),
        ("grow", rows::growth::rows),
    ];
    let mut code = ExitCode::SUCCESS;
    Row::print_head();
    for (name, measure) in rows.into_iter().filter(|(name, _)| selection.has(name)) {
        let begun = Instant::now();
        // The panic has been printed; the other rows may still be measured.
        match catch_unwind(AssertUnwindSafe(|| measure(selection))) {
            Ok(rows) => rows.iter().for_each(Row::print),
            Err(_) => code = ExitCode::FAILURE,
        }
        eprintln!("{name}: {:.0} s", begun.elapsed().as_secs_f64());
    }
    code
}
