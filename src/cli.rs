//! The commands of the binary: serving, and clients of a server for a terminal or a script.

mod backoff;
mod bench;
mod client;
mod environment;
mod event_stream;
mod health;
mod lines;
mod outgoing;
mod publish;
mod publish_lines;
mod publisher;
mod refusal;
mod signal_list;
mod signals;
mod subscribe;
mod subscriber;
mod target;

use std::{
    env,
    fmt::Display,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub use self::{bench::Bench, health::Health, publish::Publish, subscribe::Subscribe};
pub use crate::terminal::complain;
use crate::{
    config::{Config, Given},
    terminal,
};

const EXAMPLES: &str = "Examples:
  sse-broadcaster
  sse-broadcaster --listen 0.0.0.0:8000 --publish-key-file keys
  sse-broadcaster subscribe --topic news
  sse-broadcaster publish --topic news 'Hello, world'
  sse-broadcaster bench --subscribers 5000 --rate 20";

const URL_HELP: &str =
    "The server [default: where --listen or its variable says, http://127.0.0.1:8000]";

/// What was asked for on the command line and in the environment.
#[derive(Debug, Parser)]
#[command(
    name = "sse-broadcaster",
    version,
    about = "Publish once over HTTP; every subscriber gets it, once, in order, also after a \
             reconnect. Without a command it serves.",
    after_help = EXAMPLES
)]
pub struct Cli {
    #[command(flatten)]
    pub config: Config,

    /// Without one: serve.
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print events as they come, and come back by itself
    Subscribe(Subscribe),
    /// Publish events, from the command line or from standard input
    Publish(Publish),
    /// Measure what a server carries: latency, losses, CPU and memory for each subscriber
    Bench(Bench),
    /// Ask whether the server is alive, for a container's health check
    Health(Health),
}

impl Command {
    /// Of the server's flags a command takes those that lead to the server.
    fn report_ignored(&self, given: &Given) {
        let (name, used): (_, &[&str]) = match self {
            Self::Subscribe(_) => ("subscribe", &["listen"]),
            Self::Publish(_) => ("publish", &["listen", "publish-key", "publish-key-file"]),
            Self::Bench(_) => ("bench", &["listen", "publish-key", "publish-key-file"]),
            Self::Health(_) => ("health", &["listen", "admin-listen"]),
        };
        for flag in given.flags_beside(used) {
            complain(&format!("{flag} has no effect on the command {name}"));
        }
    }

    /// Finds the server, unless told by `--url`, in the settings that the server itself has.
    #[must_use]
    pub fn run(&self, config: &Config) -> ExitCode {
        let done = match self {
            Self::Subscribe(subscribe) => subscribe.run(config),
            Self::Publish(publish) => publish.run(config),
            Self::Bench(bench) => bench.run(config),
            Self::Health(health) => health.run(config),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                complain(&failure.line);
                ExitCode::from(failure.code)
            }
        }
    }
}

/// Why a command did not do its work.
#[derive(Debug, PartialEq, Eq)]
struct Failure {
    line: String,
    code: u8,
}

impl Failure {
    fn new(line: impl Into<String>) -> Self {
        Self {
            line: line.into(),
            code: 1,
        }
    }

    /// It was called in a way that cannot work.
    fn usage(line: impl Into<String>) -> Self {
        Self {
            line: line.into(),
            code: 2,
        }
    }
}

/// Reads the command line and the environment. Help and version are printed here.
///
/// # Errors
/// The exit code of a process that has nothing more to do; what was wrong has been said.
pub fn parse() -> Result<Cli, ExitCode> {
    let usage = |what: &dyn Display| {
        complain(what);
        ExitCode::from(2)
    };
    let cli = read().map_err(|error| {
        if error.use_stderr() {
            usage(&refusal::one_line(&error))
        } else {
            // Whoever closed the pipe has read enough of the help.
            let _ = error.print();
            ExitCode::SUCCESS
        }
    })?;
    environment::check(&Cli::command(), env::vars_os()).map_err(|unknown| usage(&unknown))?;
    match &cli.command {
        None => cli.config.given.check_empty().map_err(|bad| usage(&bad))?,
        Some(command) => command.report_ignored(&cli.config.given),
    }
    Ok(cli)
}

fn read() -> Result<Cli, clap::Error> {
    let command = Cli::command();
    let matches = command.clone().try_get_matches()?;
    let mut cli =
        Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command.clone()))?;
    cli.config.given = Given::of(&command, &matches);
    Ok(cli)
}

/// Prints one line for each; whoever closed the pipe has read enough.
fn print(lines: &[String]) -> Result<(), Failure> {
    match lines
        .iter()
        .try_for_each(|line| write_line(line))
        .and_then(|()| io::stdout().flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// To standard output as it is; where that is a terminal, without what would steer it.
fn write_line(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        writeln!(out, "{}", terminal::lines(line))
    } else {
        writeln!(out, "{line}")
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_help_ends_with_examples() {
        let root = Cli::command();
        let commands = root.get_subcommands().filter(|c| c.get_name() != "help");
        for command in commands.chain([&root]) {
            let help = command.get_after_help().map(ToString::to_string);
            assert!(
                help.is_some_and(|text| text.starts_with("Examples:\n  ")),
                "{}",
                command.get_name()
            );
        }
    }
}
