//! `sse-broadcaster config`: checks and shows the settings.

mod example;
mod print;
mod schema;
mod toml;

use std::path::PathBuf;

use clap::{ArgMatches, Args, CommandFactory as _, Subcommand};
use sse_broadcaster_cli::{Failure, print_to_stderr};

use super::Cli;
use crate::{config::Config, process::check};

pub(super) const NAME: &str = "config";
/// The argument with the file to check.
const FILE: &str = "file";

const EXAMPLES: &str = "Examples:
  sse-broadcaster config example > sse-broadcaster.toml
  sse-broadcaster config check sse-broadcaster.toml
  sse-broadcaster --config sse-broadcaster.toml config print
  sse-broadcaster config schema > sse-broadcaster.schema.json";

/// Check and show the settings
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ConfigCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check all settings and the files that they name, without serving; exit code 1 if the server would not start
    Check {
        /// The configuration file [default: that of --config]
        #[arg(id = FILE, value_name = "FILE")]
        _file: Option<PathBuf>,
    },
    /// Print the settings that are in effect, and where each comes from; secrets are hidden
    Print {
        /// The configuration file [default: that of --config]
        #[arg(id = FILE, value_name = "FILE")]
        _file: Option<PathBuf>,
    },
    /// Print a configuration file with every setting, its description and its default
    Example,
    /// Print a JSON Schema of the configuration file, for editors
    Schema,
}

/// The file that the command names.
pub(super) fn file(matches: &ArgMatches) -> Option<&PathBuf> {
    let (_, matches) = matches.subcommand()?;
    matches.try_get_one(FILE).ok().flatten()
}

impl ConfigCommand {
    pub(super) fn run(&self, config: &mut Config) -> Result<(), Failure> {
        match self.action {
            Action::Check { .. } => check(config),
            Action::Print { .. } => sse_broadcaster_cli::print(&print::lines(&config.given)),
            Action::Example => sse_broadcaster_cli::print(&example::lines(&Cli::command())),
            Action::Schema => sse_broadcaster_cli::print(&schema::lines(&Cli::command())),
        }
    }
}

fn check(config: &mut Config) -> Result<(), Failure> {
    let checked = config.given.check_empty().map_err(Into::into);
    let checked = checked.and_then(|()| check::check(config));
    checked.map_err(|error| Failure::new(error.with_sources()))?;
    for line in config.without_effect() {
        print_to_stderr(&line);
    }
    sse_broadcaster_cli::print(&["the settings are valid".to_owned()])
}
