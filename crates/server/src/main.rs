//! Parses the command line, then serves or runs a command.

use std::process::ExitCode;

/// Events are allocated on one thread and freed on another, which is slow with the allocator of the C library.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match sse_broadcaster_server::parse() {
        Ok(cli) => cli.run(),
        Err(code) => code,
    }
}
