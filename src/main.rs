//! Parse, then serve or run a command.

use std::process::ExitCode;

use sse_broadcaster::{cli, http};

fn main() -> ExitCode {
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    if let Some(command) = cli.command {
        return command.run(&cli.config);
    }
    match http::serve(&cli.config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            cli::complain(&error);
            ExitCode::FAILURE
        }
    }
}
