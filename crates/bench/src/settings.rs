//! The command line, and the servers that it leads to.

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc, thread, time::Duration};

use clap::Args;
use ureq::http::HeaderValue;

use super::{endpoint::Endpoint, mark, process::Processes, rate::Rate};
use sse_broadcaster_cli::{
    Defaults, Failure, KEY_FILE_HELP, KEY_HELP, Secret, Target, bearer, publish_key, size,
};

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
    pub(super) url: Option<String>,

    /// Where events are published, by POST with the text as its body [default: the same]
    #[arg(long, value_name = "URL")]
    pub(super) publish_url: Option<String>,

    /// Subscribers to open
    #[arg(long, value_name = "N", default_value_t = 1_000,
          value_parser = clap::value_parser!(u64).range(1..=MAX_SUBSCRIBERS))]
    pub(super) subscribers: u64,

    /// Events a second, or max: the next as soon as one was answered
    #[arg(long, value_name = "EVENTS_PER_SECOND|max", default_value = "10")]
    pub(super) rate: Rate,

    /// Connections to publish over, as far as they are needed; each costs 8 bytes for each subscriber
    #[arg(long, value_name = "N", default_value_t = 64,
          value_parser = clap::value_parser!(u64).range(1..=MAX_PUBLISHERS))]
    pub(super) publishers: u64,

    /// How long to publish
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(super) duration: Duration,

    /// Events to publish at most [default: 10000 where the server holds events of other topics, else
    /// as many as rate and duration make]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) max_events: Option<u64>,

    /// Publish although the server holds events of other topics, which those of the run can push out
    /// of its history; without it that is asked on a terminal, and refused elsewhere
    #[arg(long, short)]
    pub(super) yes: bool,

    /// Size of the data of an event, from 45 bytes to 16MiB
    #[arg(long, value_name = "SIZE", default_value = "100", value_parser = event_size)]
    pub(super) size: u64,

    /// Topic of the events; "" for a server that has none
    #[arg(long, value_name = "TOPIC", default_value = "bench")]
    pub(super) topic: String,

    /// Topics that subscribers and events are spread over, in turn: bench-1, bench-2…
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(1..=MAX_TOPICS))]
    pub(super) topics: u64,

    #[arg(long = "publish-key", value_name = "KEY", help = KEY_HELP, allow_hyphen_values = true)]
    pub(super) key: Vec<Secret>,

    #[arg(long = "publish-key-file", value_name = "FILE", help = KEY_FILE_HELP)]
    pub(super) key_file: Option<PathBuf>,

    /// Threads that read [default: one for two cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MAX_THREADS))]
    pub(super) threads: Option<u64>,

    /// Process of the server, to measure its CPU and memory; repeatable [default: who listens there,
    /// if that is on this machine]
    #[arg(long, value_name = "PID")]
    pub(super) pid: Vec<u32>,

    /// Print one JSON object in place of the table
    #[arg(long)]
    pub(super) json: bool,

    /// Write a page with plots
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
}

fn event_size(text: &str) -> Result<u64, String> {
    let size = size::parse(text)?;
    if (mark::LENGTH as u64..=MAX_EVENT_BYTES).contains(&size) {
        return Ok(size);
    }
    Err(format!(
        "the data of an event has {} bytes at least and {} at most",
        mark::LENGTH,
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
    pub(super) fn topic_names(&self) -> Vec<String> {
        match (self.topics, &*self.topic) {
            (1, topic) => vec![topic.to_owned()],
            (topics, topic) => (1..=topics)
                .map(|number| format!("{topic}-{number}"))
                .collect(),
        }
    }

    /// Half of the cores, since the server may be on the same machine; never more than subscribers.
    pub(super) fn threads(&self) -> u64 {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get) as u64;
        let threads = self.threads.unwrap_or((cores / 2).clamp(1, MAX_THREADS));
        threads.min(self.subscribers)
    }
}

/// Where the streams are, and where events are published.
pub(super) struct Servers {
    pub(super) subscribe: Endpoint,
    pub(super) publish: Endpoint,
    pub(super) publish_target: Target,
    /// Their URLs, without what is secret in them.
    pub(super) shown: [String; 2],
    /// What a publish is sent with.
    authorization: String,
    /// Those that were named, else who listens where the streams are.
    pub(super) processes: Option<Processes>,
}

impl Servers {
    pub(super) fn find(bench: &Bench, defaults: &Defaults) -> Result<Self, Failure> {
        let target = |url: Option<&String>| {
            Target::new(url.map(String::as_str), defaults.listen.iter(), "/events")
        };
        let subscribe = target(bench.url.as_ref())?;
        let publish = match &bench.publish_url {
            None => target(bench.url.as_ref()),
            url => target(url.as_ref()).map_err(|failure| Failure {
                line: failure.line.replacen("--url", "--publish-url", 1),
                ..failure
            }),
        }?;
        let named = named(&bench.pid)?;
        let key = publish_key(&bench.key, bench.key_file.as_ref(), defaults)?;
        let bearer = key.as_ref().map(bearer).transpose()?;
        let (from, to) = (Endpoint::reach(&subscribe)?, Endpoint::reach(&publish)?);
        let authorization = match bearer.as_ref().map(HeaderValue::to_str) {
            Some(Ok(bearer)) => format!("Authorization: {bearer}\r\n"),
            _ => to.authorization(),
        };
        let listening = || {
            subscribe
                .is_local()
                .then(|| Processes::listening_at(from.address))?
        };
        let processes = named.or_else(listening);
        Ok(Self {
            subscribe: from,
            publish: to,
            shown: [subscribe.to_string(), publish.to_string()],
            publish_target: publish,
            authorization,
            processes,
        })
    }

    /// For each topic.
    pub(super) fn subscribe_requests(&self, topics: &[String]) -> Arc<[Arc<[u8]>]> {
        let authorization = self.subscribe.authorization();
        let request = |topic: &String| {
            let head = self.subscribe.request("GET", topic);
            let request = format!(
                "{head}Accept: text/event-stream\r\nCache-Control: no-store\r\n{authorization}\r\n"
            );
            Arc::from(request.into_bytes())
        };
        topics.iter().map(request).collect()
    }

    /// For each topic, up to the body.
    pub(super) fn publish_heads(&self, topics: &[String], body_bytes: u64) -> Vec<String> {
        let head = |topic: &String| {
            format!(
                "{}Content-Type: text/plain\r\nContent-Length: {body_bytes}\r\n{}\r\n",
                self.publish.request("POST", topic),
                self.authorization
            )
        };
        topics.iter().map(head).collect()
    }
}

/// Those that are named; none where none is.
fn named(pids: &[u32]) -> Result<Option<Processes>, Failure> {
    let unseen = pids
        .iter()
        .find(|pid| Processes(vec![**pid]).used().is_none());
    match unseen {
        Some(pid) => Err(Failure::usage(format!(
            "--pid {pid}: no such process is to be seen"
        ))),
        None => Ok((!pids.is_empty()).then(|| Processes(pids.to_vec()))),
    }
}

/// What does not fit into a machine's words was refused above.
pub(super) fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
