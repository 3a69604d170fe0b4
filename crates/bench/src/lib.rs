//! The load tester `sse-broadcaster bench`: how many subscribers and events a server carries, at which latency.
//!
//! It opens streams of any SSE server, publishes to it, and checks that every event arrives exactly once and in
//! order. Each event carries a marker, by which subscribers recognize it in any format.
//!
//! - `run`: the stages of a run (open subscribers, warm up, publish, wait for late deliveries).
//! - `subscribe`: groups of subscribers, a thread each, and what they count.
//! - `publish`: the publishing connections, and the thread that schedules them.
//! - `event_tracker`: what both share about each event; `run_state`: what all threads share.
//! - `http`: the client that never blocks. `usage`: CPU and memory of the server.
//! - `report`: the measurements as a table, JSON, or a page with plots.

#![deny(missing_docs)]

mod event_tracker;
mod foreign_events;
mod format;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod limits;
mod marker;
mod measurements;
mod progress;
mod publish;
mod ratios;
mod reasons;
mod report;
mod run;
mod run_state;
mod servers;
mod settings;
mod subscribe;
mod timeline;
mod usage;

use crate::report::{Page, Report};
pub use crate::settings::Bench;
use sse_broadcaster_cli::{Defaults, Failure, print};

impl Bench {
    /// Runs the load test; it blocks.
    ///
    /// # Errors
    /// The line for standard error, and the exit code.
    pub fn run(&self, defaults: &Defaults) -> Result<(), Failure> {
        let page = self.html.as_deref().map(Page::open).transpose()?;
        let report = run::measure(self, defaults)?;
        let printed = self.print(&report);
        let written = page.map_or(Ok(()), |page| page.write(&report));
        printed.and(written)?;
        report
            .failure()
            .map_or(Ok(()), |why| Err(Failure::new(why)))
    }

    fn print(&self, report: &Report) -> Result<(), Failure> {
        if !self.json {
            return print(&report.lines());
        }
        let json = serde_json::to_string(report);
        let json = json.map_err(|error| Failure::new(error.to_string()))?;
        print(&[json])
    }
}
