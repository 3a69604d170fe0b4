//! The settings of history: what it keeps, and where.

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;

use super::{BadSetting, duration};
use sse_broadcaster::history::{Retention, SyncPolicy};
use sse_broadcaster_cli::{Secret, size};

/// Defaults of events and bytes in memory, for the window of a log and for a history in memory.
const IN_MEMORY: (usize, usize) = (100_000, 64 << 20);
/// Defaults of events and bytes in a log.
const IN_A_LOG: (usize, usize) = (1_000_000, 1 << 30);

#[derive(Debug, Clone, Args)]
#[allow(clippy::doc_markdown, reason = "--help prints these as they are")]
pub struct HistoryConfig {
    /// Directory of a log on disk; without one, or Redis or PostgreSQL, history ends with the process
    #[arg(long, env = "SSE_BROADCASTER_DATA_DIR", value_name = "DIRECTORY")]
    pub data_dir: Option<PathBuf>,

    /// How long to wait at start for another process to release the directory
    #[arg(long, env = "SSE_BROADCASTER_DATA_DIR_WAIT", value_name = "DURATION", value_parser = duration,
          default_value = "10s")]
    pub data_dir_wait: Duration,

    /// When publishes are synced to disk: "always" before the response, at an interval (10ms), or "never"
    #[arg(
        long,
        env = "SSE_BROADCASTER_SYNC",
        value_name = "WHEN",
        default_value = "always"
    )]
    pub sync: SyncPolicy,

    /// Memory for the cache of the log on disk
    #[arg(long, env = "SSE_BROADCASTER_CACHE_BYTES", value_name = "SIZE", value_parser = size::parse::<u64>,
          default_value = "32MiB")]
    pub cache_bytes: u64,

    /// Redis or Valkey as the log of many nodes: redis://user:password@host:6379/0, or rediss://
    #[arg(
        long,
        env = "SSE_BROADCASTER_REDIS_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub redis_url: Option<Secret>,

    /// File with that URL, in one line
    #[arg(long, env = "SSE_BROADCASTER_REDIS_URL_FILE", value_name = "FILE")]
    pub redis_url_file: Option<PathBuf>,

    /// Prefix of the log's keys in Redis
    #[arg(
        long,
        env = "SSE_BROADCASTER_REDIS_PREFIX",
        value_name = "PREFIX",
        default_value = "sse-broadcaster"
    )]
    pub redis_prefix: String,

    /// PostgreSQL as the log of many nodes: postgres://user:password@host:5432/database, ?sslmode=verify-full for TLS
    #[arg(
        long,
        env = "SSE_BROADCASTER_POSTGRES_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub postgres_url: Option<Secret>,

    /// File with that URL, in one line
    #[arg(long, env = "SSE_BROADCASTER_POSTGRES_URL_FILE", value_name = "FILE")]
    pub postgres_url_file: Option<PathBuf>,

    /// Schema of the log's tables and functions in PostgreSQL
    #[arg(
        long,
        env = "SSE_BROADCASTER_POSTGRES_SCHEMA",
        value_name = "NAME",
        default_value = "sse_broadcaster"
    )]
    pub postgres_schema: String,

    /// How long Redis or PostgreSQL may take to respond until the node takes it for unreachable and refuses publishes
    /// [default: 1s for Redis, 2s for PostgreSQL]
    #[arg(long, env = "SSE_BROADCASTER_HISTORY_TIMEOUT", value_name = "DURATION", value_parser = history_timeout)]
    pub history_timeout: Option<Duration>,

    /// Most events that history keeps [default: 100000 in memory, 1000000 in a log]
    #[arg(long, env = "SSE_BROADCASTER_HISTORY_EVENTS", value_name = "N")]
    pub history_events: Option<usize>,

    /// Most bytes that history keeps: the memory of events, or in a log twice the text of each event and 256
    /// bytes [default: 64MiB in memory, 1GiB in a log]
    #[arg(long, env = "SSE_BROADCASTER_HISTORY_BYTES", value_name = "SIZE", value_parser = size::parse::<usize>)]
    pub history_bytes: Option<usize>,

    /// Greatest age of an event, for example 24h [default: no limit]
    #[arg(long, env = "SSE_BROADCASTER_HISTORY_AGE", value_name = "DURATION", value_parser = duration)]
    pub history_age: Option<Duration>,

    /// Most events of a log in memory, the newest
    #[arg(long, env = "SSE_BROADCASTER_WINDOW_EVENTS", value_name = "N", default_value_t = IN_MEMORY.0)]
    pub window_events: usize,

    /// Most bytes of a log's newest events in memory
    #[arg(long, env = "SSE_BROADCASTER_WINDOW_BYTES", value_name = "SIZE", value_parser = size::parse::<usize>,
          default_value = "64MiB")]
    pub window_bytes: usize,

    /// Most bytes per second of history that one stream is sent; 0 for no limit
    #[arg(
        long,
        env = "SSE_BROADCASTER_REPLAY_BYTES_PER_SECOND",
        value_name = "SIZE",
        value_parser = replay_rate,
        default_value = "20MB"
    )]
    pub replay_bytes_per_second: u64,

    /// Memory for all events of history that are being sent to clients
    #[arg(long, env = "SSE_BROADCASTER_REPLAY_BUFFER_BYTES", value_name = "SIZE", value_parser = size::parse::<usize>,
          default_value = "64MiB")]
    pub replay_buffer_bytes: usize,
}

/// At lower rates the pings of a stream would be late.
const MIN_REPLAY_BYTES_PER_SECOND: u64 = 100_000;

/// Shorter, and every collection of the database's garbage would be an outage; longer, and publishers would wait for what
/// is gone.
const HISTORY_TIMEOUTS: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(60);

fn history_timeout(text: &str) -> Result<Duration, String> {
    let timeout = duration(text)?;
    if HISTORY_TIMEOUTS.contains(&timeout) {
        return Ok(timeout);
    }
    let (min, max) = HISTORY_TIMEOUTS.into_inner();
    Err(format!("the timeout is between {min:?} and {max:?}"))
}

fn replay_rate(text: &str) -> Result<u64, String> {
    match size::parse(text)? {
        0 => Ok(0),
        rate if rate >= MIN_REPLAY_BYTES_PER_SECOND => Ok(rate),
        _ => Err(format!(
            "the rate is at least {} per second, or 0 for no limit",
            size::show(MIN_REPLAY_BYTES_PER_SECOND)
        )),
    }
}

impl HistoryConfig {
    /// What history keeps.
    #[must_use]
    pub fn retention(&self) -> Retention {
        let (events, bytes) = match self.location() {
            Ok(LogLocation::Memory) => IN_MEMORY,
            _ => IN_A_LOG,
        };
        Retention::new()
            .events(self.history_events.unwrap_or(events))
            .bytes(self.history_bytes.unwrap_or(bytes))
            .age(self.history_age)
    }

    /// What memory keeps of a log.
    #[must_use]
    pub fn window(&self) -> Retention {
        let whole = self.retention();
        whole
            .events(self.window_events.min(whole.events))
            .bytes(self.window_bytes.min(whole.bytes))
    }

    /// Where the log is; an empty setting counts as not set.
    ///
    /// # Errors
    /// If more than one of a directory, Redis and PostgreSQL is set.
    pub fn location(&self) -> Result<LogLocation<'_>, BadSetting> {
        let directory = self
            .data_dir
            .as_deref()
            .filter(|path| !path.as_os_str().is_empty());
        let redis = given(self.redis_url.as_ref()).map(LogLocation::Redis);
        let postgres = given(self.postgres_url.as_ref()).map(LogLocation::Postgres);
        let locations = [
            ("--data-dir", directory.map(LogLocation::Disk)),
            ("--redis-url", redis),
            ("--postgres-url", postgres),
        ];
        let mut locations = locations
            .into_iter()
            .filter_map(|(flag, location)| Some((flag, location?)));
        match (locations.next(), locations.next()) {
            (None, _) => Ok(LogLocation::Memory),
            (Some((_, location)), None) => Ok(location),
            (Some((one, _)), Some((other, _))) => Err(BadSetting(format!(
                "{one} and {other}: the log is on disk, in Redis or in PostgreSQL; give one of them"
            ))),
        }
    }
}

/// A URL that is not empty.
fn given(url: Option<&Secret>) -> Option<&Secret> {
    url.filter(|url| !url.expose().is_empty())
}

/// Where the log of events is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLocation<'a> {
    /// In memory: it ends with the process.
    Memory,
    Disk(&'a Path),
    Redis(&'a Secret),
    Postgres(&'a Secret),
}
