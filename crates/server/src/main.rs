//! Parses the command line, then serves or runs a command.

use std::process::ExitCode;

/// An event is allocated on one thread and freed on another, at which the allocator of the C library is slow.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match sse_broadcaster_server::parse() {
        Ok(cli) => cli.run(),
        Err(code) => code,
    }
}
