//! `sse-broadcaster completions`: what a shell completes.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use sse_broadcaster_cli::Failure;

use super::Cli;

const EXAMPLES: &str = "Examples:
  source <(sse-broadcaster completions bash)
  sse-broadcaster completions zsh > ~/.zfunc/_sse-broadcaster
  sse-broadcaster completions fish > ~/.config/fish/completions/sse-broadcaster.fish";

/// Print completions of the command line for a shell
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Completions {
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(
            self.shell,
            &mut Cli::command(),
            "sse-broadcaster",
            &mut script,
        );
        let script = String::from_utf8_lossy(&script);
        // clap_complete writes the name of a program with a hyphen in two ways, so that bash would not complete what
        // follows a command.
        let script = script.replace("sse__subcmd__broadcaster", "sse__broadcaster");
        sse_broadcaster_cli::print(&[script.trim_end().to_owned()])
    }
}
