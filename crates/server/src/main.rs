//! Parse, then serve or run a command.

use std::process::ExitCode;

use sse_broadcaster_server::{commands, serve};

/// Events are built by one thread and let go of by another, at which the C library's own is slow.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match commands::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    if let Some(command) = cli.command {
        return command.run(&cli.config);
    }
    match serve(&cli.config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            sse_broadcaster_cli::complain(&error);
            ExitCode::FAILURE
        }
    }
}
