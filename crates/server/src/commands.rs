//! The command line: serving, and the commands that are clients of a server.

mod completions;
mod config;
mod environment;
mod man;
mod parse;
mod token;
mod usage;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[cfg(feature = "bench")]
use sse_broadcaster_bench::Bench;
use sse_broadcaster_cli::{Health, Publish, Subscribe, print_to_stderr};

pub use self::parse::parse;

use crate::{
    config::{Config, Given},
    process::serve,
};

const EXAMPLES: &str = "Examples:
  sse-broadcaster
  sse-broadcaster --listen 0.0.0.0:8000 --publish-key-file keys
  sse-broadcaster subscribe --topic news
  sse-broadcaster publish --topic news 'Hello, world'
  sse-broadcaster bench --subscribers 5000 --rate 20";

/// The command line with the environment.
#[derive(Debug, Parser)]
#[command(
    name = "sse-broadcaster",
    version,
    about = "Publish once over HTTP; every subscriber gets it exactly once, in order, even across \
             reconnects. Without a command it serves.",
    after_help = EXAMPLES
)]
pub struct Cli {
    /// The settings of the server.
    #[command(flatten)]
    pub(crate) config: Config,

    /// Without a command, the server runs.
    #[command(subcommand)]
    command: Option<Command>,
}

impl Cli {
    /// Serves, or runs the command. Blocks until either ends; errors go to standard error.
    #[must_use]
    pub fn run(mut self) -> ExitCode {
        if let Some(command) = &self.command {
            return command.run(&mut self.config);
        }
        match serve(&mut self.config, parse::read_settings) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                print_to_stderr(&error.with_sources());
                ExitCode::FAILURE
            }
        }
    }
}

/// The commands beside serving.
#[derive(Debug, Subcommand)]
enum Command {
    /// Print events as they come, and reconnect after a cut
    Subscribe(Subscribe),
    /// Publish events, from the command line or from standard input
    Publish(Publish),
    #[cfg(feature = "bench")]
    /// Measure a server under load: latency, losses, CPU and memory per subscriber
    Bench(Bench),
    /// Check whether the server is alive, for a container's health check
    Health(Health),
    /// Create a token, or say why one is accepted or refused
    Token(Box<token::Token>),
    /// Check and show the settings
    Config(config::ConfigCommand),
    /// Print completions of the command line for a shell
    Completions(completions::Completions),
    /// Print the man page, or write those of all commands
    Man(man::Man),
}

impl Command {
    /// Reports flags of the server that have no effect on the command, which uses only those that lead to the server.
    fn report_ignored(&self, given: &Given) {
        const WHERE: &[&str] = &[
            "acme-domain",
            "base-path",
            "config",
            "listen",
            "tls-cert",
            "tls-dir",
            "tls-key",
        ];
        const KEYS: &[&str] = &["publish-key", "publish-key-file"];
        let (name, used): (_, &[&[&str]]) = match self {
            Self::Subscribe(_) => ("subscribe", &[WHERE]),
            Self::Publish(_) => ("publish", &[WHERE, KEYS]),
            #[cfg(feature = "bench")]
            Self::Bench(_) => ("bench", &[WHERE, KEYS]),
            Self::Health(_) => ("health", &[WHERE, &["admin-listen"]]),
            Self::Token(_) => ("token", &[&["config"]]),
            Self::Config(_) | Self::Completions(_) | Self::Man(_) => return,
        };
        let used = used.concat();
        for flag in given.flags_beside(&used) {
            print_to_stderr(&format!("{flag} has no effect on the command {name}"));
        }
    }

    /// Without `--url` the server is the one that these settings would start.
    fn run(&self, config: &mut Config) -> ExitCode {
        let defaults = config.client_defaults();
        let done = match self {
            Self::Subscribe(subscribe) => subscribe.run(&defaults),
            Self::Publish(publish) => publish.run(&defaults),
            #[cfg(feature = "bench")]
            Self::Bench(bench) => bench.run(&defaults),
            Self::Health(health) => health.run(&defaults),
            Self::Token(token) => token.run(),
            Self::Config(command) => command.run(config),
            Self::Completions(completions) => completions.run(),
            Self::Man(man) => man.run(),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                print_to_stderr(&failure.line);
                ExitCode::from(failure.code)
            }
        }
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
