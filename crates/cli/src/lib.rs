//! The client commands: `publish`, `subscribe`, `health`; and what every command has in common.

mod backoff;
pub mod client;
mod event_stream;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod keys;
mod lines;
pub mod open_files;
mod outgoing;
pub mod publish;
mod publish_lines;
pub mod publisher;
mod setting;
mod signal_list;
pub mod signals;
pub mod size;
mod subscribe;
mod subscriber;
pub mod target;
pub mod terminal;

use std::io::{self, IsTerminal as _, Write as _};

pub use self::{
    health::Health,
    keys::{KeyFile, MAX_KEYS, MIN_KEY_BYTES, check as check_key},
    publish::Publish,
    setting::{BadSetting, Defaults, Secret, UNIX, is_loopback},
    subscribe::Subscribe,
    terminal::complain,
};

/// The help of `--url`.
pub const URL_HELP: &str =
    "The server [default: where --listen or its variable says, http://127.0.0.1:8000]";

/// Why a command did not do its work.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    pub line: String,
    pub code: u8,
}

impl Failure {
    #[must_use]
    pub fn new(line: impl Into<String>) -> Self {
        Self {
            line: line.into(),
            code: 1,
        }
    }

    /// It was called in a way that cannot work.
    #[must_use]
    pub fn usage(line: impl Into<String>) -> Self {
        Self {
            line: line.into(),
            code: 2,
        }
    }
}

/// Prints one line for each; whoever closed the pipe has read enough.
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

/// To standard output as it is; where that is a terminal, without what would steer it.
fn write_line(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        writeln!(out, "{}", terminal::lines(line))
    } else {
        writeln!(out, "{line}")
    }
}
