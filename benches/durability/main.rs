//! What durability costs, as ratios within one run: the real binary over real sockets, compared with history in
//! memory, the disk, the engine and a socket.
//!
//! `cargo bench --bench durability` measures all rows; parts of their names after `--` select some. The long log
//! holds `BENCH_EVENTS` events (5,000,000). Logs are in the target directory, or in `BENCH_DIRECTORY`.

#![allow(clippy::cast_precision_loss, reason = "figures for people")]

mod client;
#[path = "../support/durable_streams.rs"]
mod durable_streams_program;
#[path = "../fanout/kernel.rs"]
#[allow(dead_code, reason = "the other benchmark uses the rest of it")]
mod kernel;
mod live;
mod peer;
#[path = "../../tests/support/ports.rs"]
mod ports;
#[path = "../../tests/support/postgres.rs"]
#[allow(dead_code, reason = "tests use the rest of it")]
mod postgres;
#[path = "../support/programs.rs"]
mod programs;
mod publish;
#[path = "../support/redis.rs"]
mod redis;
mod replay;
mod server;

use std::time::{Duration, Instant};

/// One line of the table.
struct Row {
    what: &'static str,
    /// What was measured, and what it is compared with.
    measured: String,
    ratio: f64,
    bound: &'static str,
}

impl Row {
    fn print(&self) {
        println!(
            "| {} | {} | **{:.2}** | {} |",
            self.what, self.measured, self.ratio, self.bound
        );
    }
}

fn median(mut samples: Vec<Duration>) -> Duration {
    samples.sort();
    samples[samples.len() / 2]
}

fn median_of(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn percentile_99(mut samples: Vec<Duration>) -> Duration {
    samples.sort();
    samples[samples.len() * 99 / 100]
}

/// Waits until this holds.
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

type Measure = fn() -> Vec<Row>;

fn main() {
    let parts: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let is_selected = |name: &str| parts.is_empty() || parts.iter().any(|part| name.contains(part));
    println!("| what | measured | ratio | bound |\n|---|---|---|---|");
    let rows: [(&str, Measure); 8] = [
        ("publishers", publish::many),
        ("one publisher", publish::one),
        ("beside durable-streams", peer::rows),
        ("redis", publish::redis),
        ("postgres", publish::postgres),
        ("topic", replay::one_topic),
        ("live", live::during_replays),
        ("long", replay::long_log),
    ];
    for (name, measure) in rows {
        if is_selected(name) {
            measure().iter().for_each(Row::print);
        }
    }
}
