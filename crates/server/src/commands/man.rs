//! `sse-broadcaster man`: man pages.

use std::{io, path::PathBuf};

use clap::{Args, CommandFactory as _};
use sse_broadcaster_cli::Failure;

use super::Cli;

const EXAMPLES: &str = "Examples:
  sse-broadcaster man | man -l -
  sse-broadcaster man ~/.local/share/man/man1";

/// Print the man page, or write those of all commands
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Man {
    /// Existing directory for the pages of all commands
    #[arg(value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(&self) -> Result<(), Failure> {
        if let Some(directory) = &self.directory {
            let written = clap_mangen::generate_to(Cli::command(), directory);
            return written.map_err(|error| failure(&directory.display().to_string(), &error));
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command())
            .render(&mut page)
            .map_err(|error| failure("the man page", &error))?;
        sse_broadcaster_cli::print(&[String::from_utf8_lossy(&page).trim_end().to_owned()])
    }
}

fn failure(what: &str, error: &io::Error) -> Failure {
    Failure::new(format!("{what}: {error}"))
}
