//! The command `subscribe`.

use std::{cell::Cell, io, process};

use clap::{Args, ValueEnum};
use serde::Deserialize;
use sse_broadcaster::sse::Position;

use super::{
    Defaults, Failure, print_to_stderr,
    signal_list::SignalList,
    signals,
    subscriber::{End, Received, Subscriber},
    target::Target,
    token::TokenArgs,
    write_line,
};

const EXAMPLES: &str = "Examples:
  sse-broadcaster subscribe
  sse-broadcaster subscribe --topic news --topic weather --last 10
  sse-broadcaster subscribe --topic '*' --since 10m --json | jq .data
  sse-broadcaster subscribe --topic '*' --since earliest --until head --json > events.ndjson
  sse-broadcaster subscribe --topic '*' --until head --json --signals |
    sse-broadcaster publish --json --url http://other:8000";

/// A copy of a history must not look complete when a part of it is missing.
const INCOMPLETE: &str =
    "not all events that were there at the start were printed: see the gap above";

/// Print events as they come, and reconnect after a cut
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Subscribe {
    #[arg(long, value_name = "URL", help = super::URL_HELP)]
    url: Option<String>,

    /// Topic to subscribe to, * for all; repeatable [default: default]
    #[arg(long, value_name = "TOPIC")]
    topic: Vec<String>,

    /// Begin with the last N events
    #[arg(long, value_name = "N", conflicts_with = "since")]
    last: Option<u64>,

    /// Begin with events of an age, for example 10m, of a time, for example 2026-01-31T13:00:00+01:00 or
    /// 1769860800, after an id, or with the earliest
    #[arg(long, value_name = "AGE|TIME|ID|earliest")]
    since: Option<String>,

    /// End once all events that were there at the start have been printed; begins with the earliest unless
    /// --last or --since is given
    #[arg(long, value_name = "head", hide_possible_values = true)]
    until: Option<Until>,

    /// Print each event as a JSON object with all its fields, one a line
    #[arg(long)]
    json: bool,

    /// After the events, print every signal with its document, as an object for publish --json; needs
    /// --json and --until head
    #[arg(long, requires_all = ["json", "until"])]
    signals: bool,

    #[command(flatten)]
    token: TokenArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Until {
    Head,
}

impl Subscribe {
    /// Runs the command; it blocks.
    ///
    /// # Errors
    /// The line for standard error, and the exit code.
    pub fn run(&self, defaults: &Defaults) -> Result<(), Failure> {
        let target = Target::of_events(self.url.as_deref(), defaults)?;
        signals::on_end(|| process::exit(0))?;
        let signals = SignalList::beside(&target, &self.token);
        if self.signals && signals.is_none() {
            return Err(Failure::usage(
                "--signals needs a --url whose path is empty or ends in /events",
            ));
        }
        let subscriber = Subscriber::new(target, self.token.clone(), self.query(), self.start());
        let has_gap = Cell::new(false);
        subscriber.run(|received| self.on_message(&received, &has_gap))?;
        if let Some(signals) = signals {
            if self.signals {
                signals.print_all()?;
            } else if self.copies_all()
                && let Some(left_out) = signals.left_out()
            {
                print_to_stderr(&left_out);
            }
        }
        if self.until.is_some() && has_gap.get() {
            return Err(Failure::new(INCOMPLETE));
        }
        Ok(())
    }

    /// Whether this copies a whole history.
    fn copies_all(&self) -> bool {
        self.until.is_some() && self.json && self.topic.iter().any(|topic| topic == "*")
    }

    fn query(&self) -> Vec<(&'static str, String)> {
        let topics = self.topic.iter().map(|topic| ("topic", topic.clone()));
        let format = self.json.then(|| ("format", "json".to_owned()));
        let until = self.until.map(|Until::Head| ("until", "head".to_owned()));
        topics.chain(format).chain(until).collect()
    }

    fn start(&self) -> Vec<(&'static str, String)> {
        let last = self.last.map(|last| ("last", last.to_string()));
        let since = self.since.clone().map(|since| ("since", since));
        let all = self
            .until
            .map(|Until::Head| ("since", "earliest".to_owned()));
        last.or(since).or(all).into_iter().collect()
    }

    fn on_message(&self, received: &Received, has_gap: &Cell<bool>) -> Option<End> {
        let Received { message, at, head } = *received;
        let head = head.filter(|_| self.until.is_some());
        if self.until.is_some() && head.is_none() {
            let why = "the server does not send the position of its head, which --until needs";
            return Some(End::Failed(why.to_owned()));
        }
        match message.name.as_str() {
            "gap" => {
                print_to_stderr(&gap(&message.data));
                has_gap.set(true);
            }
            "connected" | "expiring" | "heartbeat" | "position" => {}
            // It was published after this command began.
            _ if is_past(at, head) => return Some(End::Done),
            _ => {
                if let Err(error) = write_line(&message.data) {
                    return Some(match error.kind() {
                        io::ErrorKind::BrokenPipe => End::Done,
                        _ => End::Failed(format!("standard output: {error}")),
                    });
                }
            }
        }
        (head.is_some() && (at == head || is_past(at, head))).then_some(End::Done)
    }
}

/// Whether this is after the head. Encrypted positions have no order: the server sends the head itself once all up to
/// it was sent.
fn is_past(at: Option<Position>, head: Option<Position>) -> bool {
    matches!((at, head), (Some(Position::Id(at)), Some(Position::Id(head))) if at > head)
}

fn gap(data: &str) -> String {
    #[derive(Deserialize)]
    struct Gap {
        requested: String,
        oldest: Option<String>,
    }
    match serde_json::from_str(data) {
        Ok(Gap { requested, oldest }) => {
            let oldest = oldest.as_deref().unwrap_or("the next event");
            format!(
                "gap: history no longer holds the events after {requested}; continuing at {oldest}"
            )
        }
        Err(_) => format!("gap: history no longer holds the next events; {data}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_printed_with_the_id_before_and_after_it() {
        assert_eq!(
            gap(r#"{"requested":"4-0","oldest":"7-1"}"#),
            "gap: history no longer holds the events after 4-0; continuing at 7-1"
        );
        assert_eq!(
            gap(r#"{"requested":"x","oldest":null}"#),
            "gap: history no longer holds the events after x; continuing at the next event"
        );
    }
}
