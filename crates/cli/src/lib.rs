//! The client commands of the program `sse-broadcaster`: `publish`, `subscribe` and `health`; and what they share
//! with its server and its load tester.
//!
//! - `publish` sends texts with one request (`event_json`), or standard input line by line (`lines`,
//!   `input_line`, `publish_lines`), by `publisher`.
//! - `subscribe` reads a stream (`event_stream`) that reconnects (`subscriber`, `backoff`).
//! - Shared: [`Target`] (URLs), [`client`] (HTTP), [`KeyFile`], [`size`], [`terminal`].
//!
//! Only the server and the load tester use this crate. Other Rust programs publish over HTTP with a client of
//! their choice.

#![deny(missing_docs)]

mod backoff;
pub mod client;
mod event_json;
mod event_stream;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod input_line;
mod keys;
mod lines;
pub mod open_files;
mod publish;
mod publish_lines;
mod publisher;
mod setting;
mod signal_line;
mod signal_list;
mod signals;
pub mod size;
mod subscribe;
mod subscriber;
mod target;
pub mod terminal;
mod token;

use std::io::{self, IsTerminal as _, Write as _};

pub use self::{
    health::Health,
    keys::{FileAccess, KeyFile, check as check_key, read_bounded, read_within},
    publish::{KEY_FILE_HELP, KEY_HELP, Publish, key as publish_key},
    setting::{BadSetting, Defaults, Secret, UNIX, is_loopback},
    signals::on_end,
    subscribe::Subscribe,
    target::Target,
    terminal::print_to_stderr,
    token::{TOKEN_VARIABLE, bearer},
};

/// The help of `--url`.
pub const URL_HELP: &str =
    "The server [default: the address of --listen or its variable, http://127.0.0.1:8000]";

/// Why a command failed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}")]
pub struct Failure {
    /// The line for standard error.
    pub line: String,
    /// The exit code of the process.
    pub code: u8,
}

impl Failure {
    /// The command failed: exit code 1.
    #[must_use]
    pub fn new(line: impl Into<String>) -> Self {
        Self {
            line: line.into(),
            code: 1,
        }
    }

    /// The command was called with wrong arguments: exit code 2.
    #[must_use]
    pub fn usage(line: impl Into<String>) -> Self {
        Self {
            line: line.into(),
            code: 2,
        }
    }
}

/// Prints lines to standard output. A closed pipe is not an error: its reader needs no more.
///
/// # Errors
/// When standard output cannot be written.
pub fn print(lines: &[String]) -> Result<(), Failure> {
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

/// Prints the line as it is; to a terminal, without control characters.
fn write_line(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        writeln!(out, "{}", terminal::lines(line))
    } else {
        writeln!(out, "{line}")
    }
}
