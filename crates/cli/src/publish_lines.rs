//! Publishes standard input line by line as it comes, also while the server restarts.

mod failed;
mod totals;

use std::{io, mem, process};

use self::{
    failed::{Failed, NumberedLine},
    totals::Totals,
};
use super::{
    Failure,
    backoff::Backoff,
    input_line::InputLine,
    lines::Lines,
    print, print_to_stderr,
    publisher::{PublishError, Publisher},
    signals,
};

/// Lines are read ahead up to a bound: while the server is unreachable, the input waits.
pub(super) struct LinePublisher<'a> {
    server: &'a Publisher,
    lines: Lines,
    /// `None` where the first failure ends the command.
    retry: Option<Retry>,
    totals: Totals,
}

/// What is kept from one attempt to the next.
struct Retry {
    backoff: Backoff,
    is_reported: bool,
    /// The prefix of the idempotency keys of this run. It never looks like a position.
    key_prefix: String,
}

impl Retry {
    fn new() -> Self {
        Self {
            backoff: Backoff::default(),
            is_reported: false,
            key_prefix: format!("p{:016x}", fastrand::u64(..)),
        }
    }
}

/// Lines that were read together.
#[derive(Debug, Default)]
struct Batch {
    lines: Vec<NumberedLine>,
    /// Why the line after them is not valid.
    invalid: Option<String>,
}

impl<'a> LinePublisher<'a> {
    pub(super) fn new(server: &'a Publisher, retries: bool) -> Result<Self, Failure> {
        Ok(Self {
            server,
            lines: Lines::of(io::stdin())?,
            retry: retries.then(Retry::new),
            totals: Totals::default(),
        })
    }

    /// Publishes all lines. `parse` makes an event or a signal of a line and its idempotency key; `None` skips
    /// the line.
    pub(super) fn run(
        mut self,
        parse: impl Fn(&[u8], Option<&str>) -> Result<Option<InputLine>, String>,
    ) -> Result<(), Failure> {
        let at_signal = self.lines.clone();
        let mut was_signalled = false;
        signals::on_end(move || {
            // After the first signal, lines that have been read are still published; the second ends the
            // process.
            if mem::replace(&mut was_signalled, true) {
                process::exit(130);
            }
            at_signal.stop();
        })?;
        match self.publish_all(parse) {
            Ok(()) => print(&[self.totals.to_string()]),
            Err(failure) => Err(Failure::new(format!("{}; {}", failure.line, self.totals))),
        }
    }

    fn publish_all(
        &mut self,
        parse: impl Fn(&[u8], Option<&str>) -> Result<Option<InputLine>, String>,
    ) -> Result<(), Failure> {
        while let Some(lines) = self.lines.take()? {
            let batch = self.parse_batch(&lines, &parse);
            // Consecutive events share a request, a signal has one of its own.
            let is_shared = |a: &InputLine, b: &InputLine| a.signal.is_none() && b.signal.is_none();
            for lines in batch.lines.chunk_by(|(_, a), (_, b)| is_shared(a, b)) {
                self.publish(lines)?;
            }
            if let Some(why) = batch.invalid {
                return Err(Failure::new(format!("line {}: {why}", self.totals.lines)));
            }
        }
        Ok(())
    }

    /// The lines up to the first that is not valid.
    fn parse_batch(
        &mut self,
        lines: &[Vec<u8>],
        parse: &impl Fn(&[u8], Option<&str>) -> Result<Option<InputLine>, String>,
    ) -> Batch {
        let mut batch = Batch::default();
        for line in lines {
            self.totals.lines += 1;
            let number = self.totals.lines;
            let key = self
                .retry
                .as_ref()
                .map(|retry| format!("{}-{number}", retry.key_prefix));
            match parse(line, key.as_deref()) {
                Ok(line) => batch.lines.extend(line.map(|line| (number, line))),
                Err(why) => {
                    batch.invalid = Some(why);
                    break;
                }
            }
        }
        batch
    }

    /// Repeats the request until all lines are published, in order.
    fn publish(&mut self, mut lines: &[NumberedLine]) -> Result<(), Failure> {
        while !lines.is_empty() {
            let Err(error) = self.send(lines) else {
                self.on_success();
                break;
            };
            let failed = self.on_error(error);
            lines = lines.get(failed.published..).unwrap_or_default();
            if lines.is_empty() || !self.wait_to_retry(&failed, lines) {
                return Err(failed.failure(lines));
            }
        }
        Ok(())
    }

    fn send(&mut self, lines: &[NumberedLine]) -> Result<(), PublishError> {
        if let [(_, line)] = lines
            && let Some(name) = &line.signal
        {
            self.server.set_signal(name, &line.body)?;
            self.totals.signals += 1;
            return Ok(());
        }
        let body: Vec<u8> = lines
            .iter()
            .flat_map(|(_, line)| &line.body)
            .copied()
            .collect();
        let published = self.server.post("application/x-ndjson", &body)?;
        self.totals.add(published.count, published.last_id);
        Ok(())
    }

    fn on_error(&mut self, error: PublishError) -> Failed {
        if let PublishError::Rejected { problem, .. } = &error {
            if let (Some(retry), Some(after)) = (&mut self.retry, problem.retry_after) {
                retry.backoff.set_shortest(after);
            }
            self.totals.add(problem.count, problem.last_id.clone());
        }
        Failed::new(error)
    }

    /// Waits before another attempt, and returns true. Returns false where none makes sense: the error is not
    /// temporary, the lines may have been published and would be stored twice, or the user has ended the
    /// command.
    fn wait_to_retry(&mut self, failed: &Failed, lines: &[NumberedLine]) -> bool {
        let Some(retry) = &mut self.retry else {
            return false;
        };
        if !failed.may_be_repeated(lines) {
            return false;
        }
        retry.backoff.failed();
        if !mem::replace(&mut retry.is_reported, true) {
            print_to_stderr(&format!(
                "{}; trying again until it is published",
                failed.why
            ));
        }
        !self.lines.pause(retry.backoff.pause(fastrand::f64()))
    }

    fn on_success(&mut self) {
        let Some(retry) = &mut self.retry else {
            return;
        };
        retry.backoff.succeeded();
        if mem::take(&mut retry.is_reported) {
            print_to_stderr(&format!("{}: publishing again", self.server.target()));
        }
    }
}
