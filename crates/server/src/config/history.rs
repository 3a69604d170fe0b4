//! What history keeps, and where.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;

use super::{BadSetting, duration};
use sse_broadcaster::history::{Retention, SyncPolicy};
use sse_broadcaster_cli::{Secret, size};

/// Defaults of events and bytes in memory: of the window, and of a history in memory alone.
const IN_MEMORY: (usize, usize) = (100_000, 64 << 20);
/// Defaults of events and bytes in a log.
const IN_A_LOG: (usize, usize) = (1_000_000, 1 << 30);

#[derive(Debug, Clone, Args)]
#[allow(clippy::doc_markdown, reason = "--help prints these as they are")]
pub struct HistoryConfig {
    /// Directory of a log on disk; without one, or Redis, history ends with the process
    #[arg(long, env = "SSE_BROADCASTER_DATA_DIR", value_name = "DIRECTORY")]
    pub data_dir: Option<PathBuf>,

    /// How long to wait at start for another process to release the directory
    #[arg(long, env = "SSE_BROADCASTER_DATA_DIR_WAIT", value_name = "DURATION", value_parser = duration,
          default_value = "10s")]
    pub data_dir_wait: Duration,

    /// When a publish is synced to disk: "always" before the response, at an interval (10ms), or "never"
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

    /// Prefix of the log's keys in Redis
    #[arg(
        long,
        env = "SSE_BROADCASTER_REDIS_PREFIX",
        value_name = "PREFIX",
        default_value = "sse-broadcaster"
    )]
    pub redis_prefix: String,

    /// Most events that history keeps [default: 100000 in memory, 1000000 in a log]
    #[arg(long, env = "SSE_BROADCASTER_HISTORY_EVENTS", value_name = "N")]
    pub history_events: Option<usize>,

    /// Most bytes that history keeps: in memory what events take there, in a log 256 and twice its text
    /// for each [default: 64MiB in memory, 1GiB in a log]
    #[arg(long, env = "SSE_BROADCASTER_HISTORY_BYTES", value_name = "SIZE", value_parser = size::parse::<usize>)]
    pub history_bytes: Option<usize>,

    /// Greatest age of an event, for example 24h [default: any age]
    #[arg(long, env = "SSE_BROADCASTER_HISTORY_AGE", value_name = "DURATION", value_parser = duration)]
    pub history_age: Option<Duration>,

    /// Most of a log's newest events that are held in memory
    #[arg(long, env = "SSE_BROADCASTER_WINDOW_EVENTS", value_name = "N", default_value_t = IN_MEMORY.0)]
    pub window_events: usize,

    /// Most bytes of a log's newest events that are held in memory
    #[arg(long, env = "SSE_BROADCASTER_WINDOW_BYTES", value_name = "SIZE", value_parser = size::parse::<usize>,
          default_value = "64MiB")]
    pub window_bytes: usize,

    /// Bytes a second at which one stream is sent events of history; 0 for no bound
    #[arg(
        long,
        env = "SSE_BROADCASTER_REPLAY_BYTES_PER_SECOND",
        value_name = "SIZE",
        value_parser = replay_rate,
        default_value = "20MB"
    )]
    pub replay_bytes_per_second: u64,

    /// Memory for all events of history that are on their way to clients
    #[arg(long, env = "SSE_BROADCASTER_REPLAY_BUFFER_BYTES", value_name = "SIZE", value_parser = size::parse::<usize>,
          default_value = "64MiB")]
    pub replay_buffer_bytes: usize,
}

/// Slow enough, the heartbeats of a stream that waits for its turn would be late.
const MIN_REPLAY_BYTES_PER_SECOND: u64 = 100_000;

fn replay_rate(text: &str) -> Result<u64, String> {
    match size::parse(text)? {
        0 => Ok(0),
        rate if rate >= MIN_REPLAY_BYTES_PER_SECOND => Ok(rate),
        _ => Err(format!(
            "the rate is at least {} a second, or 0 for no bound",
            size::show(MIN_REPLAY_BYTES_PER_SECOND)
        )),
    }
}

impl HistoryConfig {
    /// What the whole history keeps.
    #[must_use]
    pub fn retention(&self) -> Retention {
        let (events, bytes) = match self.place() {
            Ok(LogPlace::Memory) => IN_MEMORY,
            _ => IN_A_LOG,
        };
        Retention::new()
            .events(self.history_events.unwrap_or(events))
            .bytes(self.history_bytes.unwrap_or(bytes))
            .age(self.history_age)
    }

    /// What memory holds of a log.
    #[must_use]
    pub fn window(&self) -> Retention {
        let whole = self.retention();
        whole
            .events(self.window_events.min(whole.events))
            .bytes(self.window_bytes.min(whole.bytes))
    }

    /// Where the log is; a setting that is empty counts as not set.
    ///
    /// # Errors
    /// When two settings exclude one another.
    pub fn place(&self) -> Result<LogPlace<'_>, BadSetting> {
        let directory = self
            .data_dir
            .as_deref()
            .filter(|path| !path.as_os_str().is_empty());
        let url = self
            .redis_url
            .as_ref()
            .filter(|url| !url.expose().is_empty());
        match (directory, url) {
            (None, None) => Ok(LogPlace::Memory),
            (Some(directory), None) => Ok(LogPlace::Disk(directory)),
            (None, Some(url)) => Ok(LogPlace::Redis(url)),
            (Some(_), Some(_)) => Err(BadSetting(
                "--data-dir and --redis-url: the log is on disk or in Redis; give one of them"
                    .into(),
            )),
        }
    }
}

/// Where the log of events is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogPlace<'a> {
    /// It ends with the process.
    Memory,
    Disk(&'a Path),
    Redis(&'a Secret),
}
