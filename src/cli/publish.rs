//! `sse-broadcaster publish`

use std::{fmt, io, path::PathBuf, process};

use clap::Args;

use super::{
    Failure,
    lines::Lines,
    outgoing::{self, Common},
    print,
    publisher::{Publisher, Refused},
    signals,
    target::Target,
};
use crate::config::{Config, KeyFile, Secret};

const EXAMPLES: &str = "Examples:
  sse-broadcaster publish 'Hello, world'
  sse-broadcaster publish --topic news --event headline 'First' 'Second'
  tail -f app.log | sse-broadcaster publish --topic log
  sse-broadcaster subscribe --topic '*' --since earliest --until head --json |
    sse-broadcaster publish --json --url http://other:8000";

pub(crate) const KEY_HELP: &str =
    "Key that the server asks for; of several the first [env: SSE_BROADCASTER_PUBLISH_KEY]";
pub(crate) const KEY_FILE_HELP: &str = "File with the key as its first line that is no comment [env: SSE_BROADCASTER_PUBLISH_KEY_FILE]";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Publish {
    /// Data of an event; several are published in this order, all or none. Without any, each line of
    /// standard input is one, published as it comes
    #[arg(value_name = "TEXT")]
    text: Vec<String>,

    #[arg(long, value_name = "URL", help = super::URL_HELP)]
    url: Option<String>,

    /// Topic of the events; repeatable [default: default]
    #[arg(long, value_name = "TOPIC")]
    topic: Vec<String>,

    /// Name of the events
    #[arg(long, value_name = "NAME")]
    event: Option<String>,

    /// Lines of standard input are objects, as subscribe --json writes them: topics, own id, event,
    /// data and retry are taken over, id and time are new
    #[arg(long, conflicts_with_all = ["text", "topic", "event"])]
    json: bool,

    #[arg(long = "publish-key", value_name = "KEY", help = KEY_HELP, allow_hyphen_values = true)]
    key: Vec<Secret>,

    #[arg(long = "publish-key-file", value_name = "FILE", help = KEY_FILE_HELP)]
    key_file: Option<PathBuf>,
}

impl Publish {
    pub(super) fn run(&self, config: &Config) -> Result<(), Failure> {
        let target = Target::new(self.url.as_deref(), config.listen.iter(), "/events")?;
        let server = Publisher::new(
            target,
            key(&self.key, self.key_file.as_ref(), config)?.as_ref(),
        )?;
        if self.text.is_empty() {
            self.publish_input(&server)
        } else {
            self.publish_texts(&server)
        }
    }

    fn common(&self) -> Common<'_> {
        Common {
            topics: &self.topic,
            event: self.event.as_deref(),
        }
    }

    fn publish_texts(&self, server: &Publisher) -> Result<(), Failure> {
        let body = outgoing::of_texts(self.common(), &self.text)
            .map_err(|error| Failure::new(error.to_string()))?;
        match server.post("application/json", &body) {
            Ok(taken) => print(taken.id.as_slice()).and_then(|()| print(&taken.ids)),
            Err(Refused::Answered { why, .. } | Refused::Unsent(why)) => Err(Failure::new(why)),
            Err(Refused::Unknown(why)) => Err(Failure::new(format!(
                "{why}; whether it was published is not known"
            ))),
        }
    }

    fn publish_input(&self, server: &Publisher) -> Result<(), Failure> {
        let lines = Lines::of(io::stdin())?;
        let at_signal = lines.clone();
        let mut asked_before = false;
        signals::on_end(move || {
            // What has been read is still published; who insists does not wait for that.
            if std::mem::replace(&mut asked_before, true) {
                process::exit(130);
            }
            at_signal.end();
        })?;
        let mut tally = Tally::default();
        match self.publish_all(server, &lines, &mut tally) {
            Ok(()) => print(&[tally.to_string()]),
            Err(failure) => Err(Failure::new(format!("{}; {tally}", failure.line))),
        }
    }

    fn publish_all(
        &self,
        server: &Publisher,
        lines: &Lines,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        while let Some(lines) = lines.take()? {
            let batch = self.batch(&lines, &mut tally.lines);
            if !batch.numbers.is_empty() {
                publish_batch(server, &batch, tally)?;
            }
            if let Some(why) = batch.bad {
                return Err(Failure::new(format!("line {}: {why}", tally.lines)));
            }
        }
        Ok(())
    }

    /// The lines up to the first that is no event; `number` is that of the last one looked at.
    fn batch(&self, lines: &[Vec<u8>], number: &mut u64) -> Batch {
        let mut batch = Batch::default();
        for line in lines {
            *number += 1;
            let added = match self.json {
                true if line.trim_ascii().is_empty() => continue,
                true => outgoing::add_json(line, &mut batch.body),
                false => outgoing::add_text(self.common(), line, &mut batch.body),
            };
            if let Err(why) = added {
                batch.bad = Some(why);
                break;
            }
            batch.numbers.push(*number);
        }
        batch
    }
}

/// The command's own flags come before the settings that the server has.
pub(crate) fn key(
    keys: &[Secret],
    file: Option<&PathBuf>,
    config: &Config,
) -> Result<Option<Secret>, Failure> {
    let own = keys.iter().find(|key| !key.expose().is_empty()).cloned();
    let of_file = |file: Option<&PathBuf>| {
        let read = file.map(|file| KeyFile::read(file));
        let read = read.transpose().map(|keys| keys.and_then(KeyFile::first));
        read.map_err(|bad| Failure::usage(bad.to_string()))
    };
    if let Some(key) = own.map_or_else(|| of_file(file), |key| Ok(Some(key)))? {
        return Ok(Some(key));
    }
    match config.given_keys().into_iter().next() {
        Some(key) => Ok(Some(key)),
        None => of_file(config.publish_key_file.as_ref()),
    }
}

/// Lines that are published with one request.
#[derive(Debug, Default)]
struct Batch {
    body: Vec<u8>,
    /// Which lines of the input they are.
    numbers: Vec<u64>,
    /// Why the line behind them is no event.
    bad: Option<String>,
}

fn publish_batch(server: &Publisher, batch: &Batch, tally: &mut Tally) -> Result<(), Failure> {
    match server.post("application/x-ndjson", &batch.body) {
        Ok(taken) => {
            tally.add(taken.count, taken.last_id);
            Ok(())
        }
        Err(Refused::Answered { why, problem }) => {
            tally.add(problem.count, problem.last_id);
            // Those before it stand, whichever line the server names: it takes many at once.
            let stands = usize::try_from(problem.count).ok();
            let number = stands.filter(|_| problem.line.is_some());
            let number = number.and_then(|stands| batch.numbers.get(stands));
            Err(Failure::new(match number {
                Some(number) => format!("line {number}: {why}"),
                None => why,
            }))
        }
        Err(Refused::Unsent(why)) => Err(Failure::new(why)),
        Err(Refused::Unknown(why)) => Err(Failure::new(match batch.numbers.as_slice() {
            [first, .., last] => {
                format!("{why}; whether lines {first} to {last} were published is not known")
            }
            [one] => format!("{why}; whether line {one} was published is not known"),
            [] => why,
        })),
    }
}

/// What the server has acknowledged, and the lines it came from.
#[derive(Debug, Default)]
struct Tally {
    lines: u64,
    count: u64,
    last_id: Option<String>,
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
        match &self.last_id {
            Some(id) => write!(f, ", the last is {id}"),
            None => Ok(()),
        }
    }
}
