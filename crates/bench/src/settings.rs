//! The command line of `bench`.

use std::{num::NonZeroUsize, path::PathBuf, thread, time::Duration};

use clap::Args;

use crate::{marker, publish::Rate};
use sse_broadcaster_cli::{KEY_FILE_HELP, KEY_HELP, Secret, size};

const EXAMPLES: &str = "Examples:
  sse-broadcaster bench
  sse-broadcaster bench --subscribers 8000 --rate 2 --html bench.html
  sse-broadcaster bench --url https://events.example.com --rate max --duration 30s --json
  sse-broadcaster bench --url http://10.0.0.7:3000/sse --publish-url http://10.0.0.7:3000/send

Its events count against the server's history as all others do, and push the oldest out of it.";

const MAX_SUBSCRIBERS: u64 = 1_000_000;
const MAX_PUBLISHERS: u64 = 1_024;
const MAX_TOPICS: u64 = 10_000;
const MAX_THREADS: u64 = 256;
const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_EVENT_BYTES: u64 = 16 << 20;

/// Measure what a server carries: latency, losses, CPU and memory for each subscriber
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Bench {
    #[arg(long, value_name = "URL", help = sse_broadcaster_cli::URL_HELP)]
    pub(crate) url: Option<String>,

    /// Where events are published, by POST with the data as its body [default: the same]
    #[arg(long, value_name = "URL")]
    pub(crate) publish_url: Option<String>,

    /// Subscribers to open
    #[arg(long, value_name = "N", default_value_t = 1_000,
          value_parser = clap::value_parser!(u64).range(1..=MAX_SUBSCRIBERS))]
    pub(crate) subscribers: u64,

    /// Events a second, or max: each connection publishes the next event as soon as it has a response
    #[arg(long, value_name = "EVENTS_PER_SECOND|max", default_value = "10")]
    pub(crate) rate: Rate,

    /// Connections to publish over, as far as they are needed; each costs 8 bytes for each subscriber
    #[arg(long, value_name = "N", default_value_t = 64,
          value_parser = clap::value_parser!(u64).range(1..=MAX_PUBLISHERS))]
    pub(crate) publishers: u64,

    /// How long to publish
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(crate) duration: Duration,

    /// Events to publish at most [default: 10000 where the server holds events of other topics, else
    /// as many as rate and duration make]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_events: Option<u64>,

    /// Publish although the server holds events of other topics, which those of the run can push out of its
    /// history; without it the command asks on a terminal, and fails elsewhere
    #[arg(long, short)]
    pub(crate) yes: bool,

    /// Size of the data of an event, from 45 bytes to 16MiB
    #[arg(long, value_name = "SIZE", default_value = "100", value_parser = event_size)]
    pub(crate) size: u64,

    /// Topic of the events; "" for a server that has none
    #[arg(long, value_name = "TOPIC", default_value = "bench")]
    pub(crate) topic: String,

    /// Topics that subscribers and events are spread over, in turn: bench-1, bench-2…
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(1..=MAX_TOPICS))]
    pub(crate) topics: u64,

    #[arg(long = "publish-key", value_name = "KEY", help = KEY_HELP, allow_hyphen_values = true)]
    pub(crate) key: Vec<Secret>,

    #[arg(long = "publish-key-file", value_name = "FILE", help = KEY_FILE_HELP)]
    pub(crate) key_file: Option<PathBuf>,

    /// Threads that read [default: one for two cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MAX_THREADS))]
    pub(crate) threads: Option<u64>,

    /// Process of the server, to measure its CPU and memory; repeatable [default: the process that listens
    /// there, if that is on this machine]
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Vec<u32>,

    /// Print one JSON object in place of the table
    #[arg(long)]
    pub(crate) json: bool,

    /// Write a page with plots
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

fn event_size(text: &str) -> Result<u64, String> {
    let size = size::parse(text)?;
    if (marker::LENGTH as u64..=MAX_EVENT_BYTES).contains(&size) {
        return Ok(size);
    }
    Err(format!(
        "the data of an event has at least {} bytes and at most {}",
        marker::LENGTH,
        size::show(MAX_EVENT_BYTES)
    ))
}

fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time > MAX_DURATION => Err("at most 24h".to_owned()),
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err("a duration has a unit, for example 500ms, 30s or 10m".to_owned()),
    }
}

impl Bench {
    /// The names of all topics.
    pub(crate) fn topic_names(&self) -> Vec<String> {
        match (self.topics, &*self.topic) {
            (1, topic) => vec![topic.to_owned()],
            (topics, topic) => (1..=topics)
                .map(|number| format!("{topic}-{number}"))
                .collect(),
        }
    }

    /// How many threads read. By default half of the cores, since the server may be on the same machine; never
    /// more than subscribers.
    pub(crate) fn threads(&self) -> u64 {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get) as u64;
        let threads = self.threads.unwrap_or((cores / 2).clamp(1, MAX_THREADS));
        threads.min(self.subscribers)
    }
}

/// A number within the bounds above, which fit into a `usize`.
pub(crate) fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
