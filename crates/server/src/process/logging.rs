//! The log: its filter, the format of its lines, and what is not logged.

mod filter;
mod room;

use std::io::{self, Write as _};

use env_filter::Filter;
use env_logger::fmt::Formatter;
use log::{Level, LevelFilter, Log, Metadata, Record};
use parking_lot::{Mutex, RwLock};

pub(crate) use self::room::dropped_lines;
use self::{
    filter::filter,
    room::{LogRoom, MAX_MESSAGE_BYTES},
};
use crate::config::{BadSetting, Config, LogFormat};
use sse_broadcaster_cli::terminal;

const OWN_TARGET: &str = "sse_broadcaster";

/// Starts logging to standard error, by the settings.
///
/// # Errors
/// For a filter that cannot be parsed, or that has an unknown target.
pub(crate) fn start(config: &Config) -> Result<(), BadSetting> {
    follow(config)?;
    let mut lines = env_logger::Builder::new();
    match config.log_format {
        LogFormat::Text => lines.format(write_text),
        LogFormat::Json => lines.format(write_json),
    };
    let lines = lines.filter_level(LevelFilter::Trace).build();
    // A second broadcaster in the same process keeps the first one's logger.
    let _ = log::set_boxed_logger(Box::new(Filtered {
        lines,
        room: Mutex::default(),
    }));
    Ok(())
}

/// Filters the log by the settings from now on.
///
/// # Errors
/// As of [`start`]; then the filter stays as it was.
pub(crate) fn follow(config: &Config) -> Result<(), BadSetting> {
    let text = filter(config)?;
    let filter = env_filter::Builder::new().parse(&text).build();
    log::set_max_level(filter.filter());
    *FILTER.write() = Some(filter);
    Ok(())
}

/// Which lines are logged. It may change while the server runs.
static FILTER: RwLock<Option<Filter>> = RwLock::new(None);

/// Writes the lines that the filter admits, and for which standard error has room.
struct Filtered {
    lines: env_logger::Logger,
    /// Locked until a line is written, so that the room is still there.
    room: Mutex<LogRoom>,
}

impl Filtered {
    fn write(&self, record: &Record<'_>) {
        let mut room = self.room.lock();
        if !room.admits_line() {
            return;
        }
        let dropped = room.take_dropped();
        if dropped > 0 {
            self.report(dropped);
            if !room.admits_line() {
                return;
            }
        }
        self.lines.log(record);
    }

    fn report(&self, dropped: u64) {
        let why = "since nothing read standard error, or not fast enough";
        self.lines.log(
            &Record::builder()
                .level(Level::Warn)
                .target(OWN_TARGET)
                .args(format_args!("{dropped} lines were not logged here, {why}"))
                .build(),
        );
    }
}

impl Log for Filtered {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let filter = FILTER.read();
        filter
            .as_ref()
            .is_some_and(|filter| filter.enabled(metadata))
    }

    fn log(&self, record: &Record<'_>) {
        let is_admitted = {
            let filter = FILTER.read();
            filter.as_ref().is_some_and(|filter| filter.matches(record))
        };
        if is_admitted {
            self.write(record);
        }
    }

    fn flush(&self) {
        self.lines.flush();
    }
}

/// Parts of a message may come from clients: line breaks and control characters are escaped, so that it stays
/// one line and does not control the terminal.
fn write_text(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let (time, level) = (out.timestamp_seconds(), record.level());
    let style = out.default_level_style(level);
    let message = message_of(record);
    let message = terminal::within_a_line(&message);
    let target = record.target();
    writeln!(
        out,
        "[{time} {style}{level:<5}{style:#} {target}] {message}"
    )
}

fn message_of(record: &Record<'_>) -> String {
    let mut message = record.args().to_string();
    if message.len() > MAX_MESSAGE_BYTES {
        let fits = |end: &usize| message.is_char_boundary(*end);
        message.truncate((0..=MAX_MESSAGE_BYTES).rfind(fits).unwrap_or(0));
        message.push('…');
    }
    message
}

fn write_json(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let line = serde_json::json!({
        "time": out.timestamp_millis().to_string(),
        "level": record.level().as_str(),
        "target": record.target(),
        "message": message_of(record),
    });
    writeln!(out, "{}", terminal::within_a_line(&line.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_between_two_characters() {
        for text in ["x", "é", "…", "𝄞"] {
            let message = |count: usize| {
                let text = text.repeat(count);
                message_of(&Record::builder().args(format_args!("{text}")).build())
            };
            let fits = MAX_MESSAGE_BYTES / text.len();
            assert_eq!(message(fits), text.repeat(fits));
            assert_eq!(message(fits + 1), text.repeat(fits) + "…");
        }
    }
}
