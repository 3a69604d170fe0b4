//! Standard input, published line by line as it comes, also while the server restarts.

use std::{fmt, io, mem, process};

use super::{
    Failure,
    backoff::Backoff,
    complain,
    lines::Lines,
    outgoing::Line,
    print,
    publisher::{Publisher, Refused},
    signals,
};

/// Lines that are read ahead are bounded: while the server is unreachable, the input waits.
pub(super) struct LinePublisher<'a> {
    server: &'a Publisher,
    lines: Lines,
    /// None where the first failure ends it.
    retry: Option<Retry>,
    tally: Tally,
}

/// What is kept from one attempt to the next.
struct Retry {
    backoff: Backoff,
    is_reported: bool,
    /// What the keys of this run begin with. It never looks like a position.
    run: String,
}

impl Retry {
    fn new() -> Self {
        Self {
            backoff: Backoff::default(),
            is_reported: false,
            run: format!("p{:016x}", fastrand::u64(..)),
        }
    }
}

/// Lines that are published with one request.
#[derive(Debug, Default)]
struct Batch {
    /// With their numbers in the input.
    lines: Vec<(u64, Line)>,
    /// Why the line behind them is no event.
    bad: Option<String>,
}

/// Why an attempt did not publish all of its lines.
struct Attempt {
    why: String,
    /// How many of them were published.
    published: usize,
    is_passing: bool,
    outcome: Outcome,
}

/// What became of the lines that were not acknowledged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The first of them is to blame.
    Rejected,
    Unsent,
    Unknown,
}

impl<'a> LinePublisher<'a> {
    pub(super) fn new(server: &'a Publisher, retries: bool) -> Result<Self, Failure> {
        Ok(Self {
            server,
            lines: Lines::of(io::stdin())?,
            retry: retries.then(Retry::new),
            tally: Tally::default(),
        })
    }

    /// Publishes all lines, each as the event that `parse` makes of it; blank ones may be none.
    pub(super) fn run(
        mut self,
        parse: impl Fn(&[u8], Option<&str>) -> Result<Option<Line>, String>,
    ) -> Result<(), Failure> {
        let at_signal = self.lines.clone();
        let mut asked_before = false;
        signals::on_end(move || {
            // What has been read is still published; who insists does not wait for that.
            if mem::replace(&mut asked_before, true) {
                process::exit(130);
            }
            at_signal.end();
        })?;
        match self.publish_all(parse) {
            Ok(()) => print(&[self.tally.to_string()]),
            Err(failure) => Err(Failure::new(format!("{}; {}", failure.line, self.tally))),
        }
    }

    fn publish_all(
        &mut self,
        parse: impl Fn(&[u8], Option<&str>) -> Result<Option<Line>, String>,
    ) -> Result<(), Failure> {
        while let Some(lines) = self.lines.take()? {
            let batch = self.batch(&lines, &parse);
            // Events that follow each other share a request.
            let is_shared = |a: &Line, b: &Line| a.signal.is_none() && b.signal.is_none();
            for lines in batch.lines.chunk_by(|(_, a), (_, b)| is_shared(a, b)) {
                self.publish(lines)?;
            }
            if let Some(why) = batch.bad {
                return Err(Failure::new(format!("line {}: {why}", self.tally.lines)));
            }
        }
        Ok(())
    }

    /// The lines up to the first that is no event.
    fn batch(
        &mut self,
        lines: &[Vec<u8>],
        parse: &impl Fn(&[u8], Option<&str>) -> Result<Option<Line>, String>,
    ) -> Batch {
        let mut batch = Batch::default();
        for line in lines {
            self.tally.lines += 1;
            let number = self.tally.lines;
            let key = self
                .retry
                .as_ref()
                .map(|retry| format!("{}-{number}", retry.run));
            match parse(line, key.as_deref()) {
                Ok(line) => batch.lines.extend(line.map(|line| (number, line))),
                Err(why) => {
                    batch.bad = Some(why);
                    break;
                }
            }
        }
        batch
    }

    /// Attempts it until all lines are published, in order.
    fn publish(&mut self, mut lines: &[(u64, Line)]) -> Result<(), Failure> {
        while !lines.is_empty() {
            let Err(attempt) = self.attempt(lines) else {
                break;
            };
            lines = lines.get(attempt.published..).unwrap_or_default();
            if lines.is_empty() || !self.retries(&attempt, lines) {
                return Err(attempt.failure(lines));
            }
        }
        Ok(())
    }

    fn send(&mut self, lines: &[(u64, Line)]) -> Result<(), Refused> {
        if let [(_, line)] = lines
            && let Some(name) = &line.signal
        {
            self.server.set_signal(name, &line.body)?;
            self.tally.signals += 1;
            return Ok(());
        }
        let body: Vec<u8> = lines
            .iter()
            .flat_map(|(_, line)| &line.body)
            .copied()
            .collect();
        let taken = self.server.post("application/x-ndjson", &body)?;
        self.tally.add(taken.count, taken.last_id);
        Ok(())
    }

    fn attempt(&mut self, lines: &[(u64, Line)]) -> Result<(), Attempt> {
        let refused = match self.send(lines) {
            Ok(()) => {
                self.recovered();
                return Ok(());
            }
            Err(refused) => refused,
        };
        Err(match refused {
            Refused::Answered {
                why,
                problem,
                is_passing,
            } => {
                let outcome = if is_passing && problem.is_outcome_unknown() {
                    Outcome::Unknown
                } else if problem.line.is_some() {
                    Outcome::Rejected
                } else {
                    Outcome::Unsent
                };
                if let (Some(retry), Some(after)) = (&mut self.retry, problem.retry_after) {
                    retry.backoff.set_shortest(after);
                }
                self.tally.add(problem.count, problem.last_id);
                Attempt {
                    why,
                    // Those before it stand, whichever line the server names: it takes many at once.
                    published: usize::try_from(problem.count).unwrap_or(usize::MAX),
                    is_passing,
                    outcome,
                }
            }
            Refused::Unsent { why, is_passing } => {
                Attempt::without_response(why, is_passing, Outcome::Unsent)
            }
            Refused::Unknown(why) => Attempt::without_response(why, true, Outcome::Unknown),
            Refused::Foreign(why) => Attempt::without_response(why, false, Outcome::Unknown),
        })
    }

    /// Waits where another attempt makes sense: where time may mend it, what may have been kept can be
    /// sent again, and nobody has asked for the end.
    fn retries(&mut self, attempt: &Attempt, lines: &[(u64, Line)]) -> bool {
        let Some(retry) = &mut self.retry else {
            return false;
        };
        let is_repeatable = lines.iter().all(|(_, line)| line.is_repeatable);
        if !attempt.is_passing || (attempt.outcome == Outcome::Unknown && !is_repeatable) {
            return false;
        }
        retry.backoff.failed();
        if !mem::replace(&mut retry.is_reported, true) {
            complain(&format!(
                "{}; trying again until it is published",
                attempt.why
            ));
        }
        !self.lines.pause(retry.backoff.pause(fastrand::f64()))
    }

    fn recovered(&mut self) {
        let Some(retry) = &mut self.retry else {
            return;
        };
        retry.backoff.worked();
        if mem::take(&mut retry.is_reported) {
            complain(&format!("{}: publishing again", self.server.target()));
        }
    }
}

impl Attempt {
    fn without_response(why: String, is_passing: bool, outcome: Outcome) -> Self {
        Self {
            why,
            published: 0,
            is_passing,
            outcome,
        }
    }

    /// `lines` are those that were not acknowledged.
    fn failure(self, lines: &[(u64, Line)]) -> Failure {
        let why = self.why;
        let numbers = match lines {
            [(first, _), .., (last, _)] => format!("lines {first} to {last} were"),
            [(one, _)] => format!("line {one} was"),
            [] => return Failure::new(why),
        };
        Failure::new(match (self.outcome, lines) {
            (Outcome::Rejected, [(first, _), ..]) => format!("line {first}: {why}"),
            (Outcome::Unknown, _) => format!("{why}; whether {numbers} published is not known"),
            _ => format!("{why}; {numbers} not published"),
        })
    }
}

/// What the server has acknowledged, and the lines it came from.
#[derive(Debug, Default)]
struct Tally {
    lines: u64,
    count: u64,
    last_id: Option<String>,
    signals: u64,
}

impl Tally {
    fn add(&mut self, count: u64, last_id: Option<String>) {
        self.count += count;
        self.last_id = last_id.or(self.last_id.take());
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = if self.count == 1 { "event" } else { "events" };
        write!(f, "published {} {events}", self.count)?;
        if let Some(id) = &self.last_id {
            write!(f, ", the last is {id}")?;
        }
        match self.signals {
            0 => Ok(()),
            1 => f.write_str("; set 1 signal"),
            more => write!(f, "; set {more} signals"),
        }
    }
}
