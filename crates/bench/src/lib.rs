//! The load tester `sse-broadcaster bench`: how many subscribers and events a server carries, at which latency.
//! It opens streams of any SSE server, publishes to them, and checks that every event arrives once and in
//! order.

#![deny(missing_docs)]

mod chunks;
mod crowd;
mod endpoint;
mod figures;
mod foreign_events;
mod format;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod html;
mod lane;
mod lanes;
mod ledger;
mod limits;
mod link;
mod mark;
mod measured;
mod plots;
mod process;
mod progress;
mod publishers;
mod rate;
mod rejection;
mod report;
mod response;
mod run;
mod settings;
mod shared;
mod stream;
mod summary;
mod table;
mod tally;
mod timeline;
mod usage;

pub use crate::settings::Bench;
use crate::{html::Page, report::Report};
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
