//! Every setting of the server, as a flag, as a variable `SSE_BROADCASTER_*`, and in a configuration file.

mod access;
mod acme;
mod addresses;
mod compress;
mod fallback;
pub(crate) mod file;
mod given;
mod history;
mod http2;
mod keys;
mod mercure;
mod origin;
mod presence;
mod proxies;
mod secret_files;
mod setting;
pub(crate) mod similar;
mod tls;
mod tokens;
mod topic_patterns;
mod topic_rules;
mod traces;
mod without_effect;

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum, builder::BoolishValueParser};
use sse_broadcaster_cli::{Defaults, size};

pub use access::{AccessConfig, SubscribeAccess};
pub use acme::AcmeConfig;
pub use compress::CompressSetting;
pub(crate) use fallback::{CREDENTIALS_DIRECTORY, Fallbacks, Source};
pub use given::Given;
pub(crate) use given::Shown;
pub use history::{HistoryConfig, LogLocation};
pub use http2::Http2Config;
pub(crate) use mercure::HubKey;
pub use mercure::MercureConfig;
pub use presence::PresenceConfig;
pub use proxies::ProxyConfig;
pub(crate) use setting::{Kind, Setting};
pub(crate) use sse_broadcaster_cli::{BadSetting, Secret};
pub use tls::TlsConfig;
pub use tokens::TokenConfig;
pub(crate) use tokens::{KeyLocation, TrustedIssuer};
pub(crate) use topic_patterns::topic_json;
pub use topic_rules::TopicRulesConfig;
pub use traces::TraceConfig;

/// Most worker threads.
const MAX_WORKERS: i64 = 512;

#[derive(Debug, Clone, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
#[allow(clippy::doc_markdown, reason = "--help prints these as they are")]
pub struct Config {
    /// Configuration file in TOML, in which each setting has the name of its flag. A variable overrides it, and a flag
    /// overrides both. It is read again on SIGHUP
    #[arg(
        long = "config",
        id = "config",
        env = "SSE_BROADCASTER_CONFIG",
        value_name = "FILE"
    )]
    pub file: Option<PathBuf>,

    /// Address to serve on, or a Unix socket as unix:/path; repeatable
    #[arg(
        long,
        env = "SSE_BROADCASTER_LISTEN",
        value_name = "HOST:PORT",
        value_delimiter = ',',
        default_value = "127.0.0.1:8000"
    )]
    pub listen: Vec<String>,

    /// Address that serves every route; the others then have no page, /openapi.json, /asyncapi.json,
    /// metrics or health
    #[arg(
        long,
        env = "SSE_BROADCASTER_ADMIN_LISTEN",
        value_name = "HOST:PORT",
        value_delimiter = ','
    )]
    pub admin_listen: Vec<String>,

    /// Serve no page at /, and neither /openapi.json nor /asyncapi.json
    #[arg(long, env = "SSE_BROADCASTER_NO_PAGE", value_parser = BoolishValueParser::new())]
    pub no_page: bool,

    /// Worker threads [default: one per core]
    #[arg(long, env = "SSE_BROADCASTER_WORKERS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX_WORKERS))]
    pub workers: Option<u16>,

    /// Serve streams and small publishes through actix's dispatcher, which takes 14 times the memory per stream
    #[arg(long, env = "SSE_BROADCASTER_NO_DIRECT", value_parser = BoolishValueParser::new())]
    pub no_direct: bool,

    /// Send to many streams by one system call, where the kernel allows io_uring: a sixth less CPU per delivered event
    #[arg(long, env = "SSE_BROADCASTER_IO_URING", value_parser = BoolishValueParser::new())]
    pub io_uring: bool,

    /// When streams are compressed, for clients that accept gzip or dcz: events of 200 bytes or more (auto), whatever
    /// becomes shorter (always), or never (off)
    #[arg(
        long,
        env = "SSE_BROADCASTER_COMPRESS",
        value_name = "WHEN",
        default_value = "auto"
    )]
    pub compress: CompressSetting,

    #[command(flatten)]
    pub tls: TlsConfig,

    #[command(flatten)]
    pub history: HistoryConfig,

    #[command(flatten)]
    pub topic_rules: TopicRulesConfig,

    #[command(flatten)]
    pub presence: PresenceConfig,

    /// How long a publish waits while the server is overloaded, before it is rejected
    #[arg(long, env = "SSE_BROADCASTER_PUBLISH_WAIT", value_name = "DURATION", value_parser = duration,
          default_value = "5s")]
    pub publish_wait: Duration,

    /// Longest time without a byte on a stream: before it ends, a comment (: ping) is sent
    #[arg(long, env = "SSE_BROADCASTER_PING_INTERVAL", value_name = "DURATION", value_parser = some_time,
          default_value = "4s")]
    pub ping_interval: Duration,

    /// Time after which a client that disappeared is noticed; one that reads almost nothing is cut after
    /// eight times as long
    #[arg(long, env = "SSE_BROADCASTER_STALL_TIMEOUT", value_name = "DURATION", value_parser = some_time,
          default_value = "30s")]
    pub stall_timeout: Duration,

    /// How long an idle connection is kept for a further request; 0 keeps none
    #[arg(long, env = "SSE_BROADCASTER_KEEP_ALIVE", value_name = "DURATION", value_parser = duration,
          default_value = "75s")]
    pub keep_alive: Duration,

    #[command(flatten)]
    pub http2: Http2Config,

    /// Memory for all request bodies until they are published, beyond 16 KiB of each
    #[arg(long, env = "SSE_BROADCASTER_UPLOAD_BUFFER_BYTES", value_name = "SIZE", value_parser = size::parse::<usize>,
          default_value = "64MiB")]
    pub upload_buffer_bytes: usize,

    /// Longest pause between two lines of an NDJSON upload; blank lines count
    #[arg(long, env = "SSE_BROADCASTER_UPLOAD_IDLE_TIMEOUT", value_name = "DURATION", value_parser = some_time,
          default_value = "60s")]
    pub upload_idle_timeout: Duration,

    /// Send buffer of a connection in the kernel, which doubles the value; 0 is the kernel's default
    #[arg(long, env = "SSE_BROADCASTER_SOCKET_BUFFER_BYTES", value_name = "SIZE", value_parser = size::parse::<usize>,
          default_value = "64KiB")]
    pub socket_buffer_bytes: usize,

    /// Most subscribers [default: as the limit of open files allows]
    #[arg(long, env = "SSE_BROADCASTER_MAX_SUBSCRIBERS", value_name = "N")]
    pub max_subscribers: Option<usize>,

    /// Most subscribers from one address; behind a proxy set --trusted-proxy, or all have its address [default: no
    /// limit]
    #[arg(
        long,
        env = "SSE_BROADCASTER_MAX_SUBSCRIBERS_PER_ADDRESS",
        value_name = "N"
    )]
    pub max_subscribers_per_address: Option<usize>,

    /// Longest data of one event
    #[arg(long, env = "SSE_BROADCASTER_MAX_EVENT_BYTES", value_name = "SIZE", value_parser = size::parse::<usize>,
          default_value = "1MiB")]
    pub max_event_bytes: usize,

    /// Name under which clients reach the server, or * for any; repeatable [default: any, but on loopback
    /// only localhost and addresses]
    #[arg(
        long,
        env = "SSE_BROADCASTER_HOST",
        value_name = "NAME",
        value_delimiter = ',',
        value_parser = origin::host
    )]
    pub host: Vec<String>,

    /// Origin whose pages may read, for example https://app.example.com, or *; repeatable
    #[arg(
        long,
        env = "SSE_BROADCASTER_CORS_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ',',
        value_parser = origin::reader
    )]
    pub cors_origin: Vec<String>,

    /// Origin whose pages may publish; repeatable
    #[arg(
        long,
        env = "SSE_BROADCASTER_PUBLISH_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ',',
        value_parser = origin::publisher
    )]
    pub publish_origin: Vec<String>,

    #[command(flatten)]
    pub proxies: ProxyConfig,

    /// Key that every publish must send as "Authorization: Bearer KEY", of at least 16 characters;
    /// repeatable, for rotation; the variable takes several, separated by commas. Every user of the machine
    /// can read the flag in the list of processes: prefer the variable or the file
    #[arg(
        long,
        env = "SSE_BROADCASTER_PUBLISH_KEY",
        allow_hyphen_values = true,
        value_name = "KEY",
        hide_env_values = true
    )]
    pub publish_key: Vec<Secret>,

    /// File with such keys, one per line; lines that begin with # are comments. It is read again when it
    /// has changed, and on SIGHUP
    #[arg(long, env = "SSE_BROADCASTER_PUBLISH_KEY_FILE", value_name = "FILE")]
    pub publish_key_file: Option<PathBuf>,

    /// Every client that reaches the server may publish, without a key
    #[arg(long, env = "SSE_BROADCASTER_ALLOW_ANONYMOUS_PUBLISH", value_parser = BoolishValueParser::new())]
    pub allow_anonymous_publish: bool,

    /// No client may publish over HTTP
    #[arg(long, env = "SSE_BROADCASTER_NO_PUBLISH", value_parser = BoolishValueParser::new())]
    pub no_publish: bool,

    /// No client may publish by GET /events/<msg>
    #[arg(long, env = "SSE_BROADCASTER_NO_GET_PUBLISH", value_parser = BoolishValueParser::new())]
    pub no_get_publish: bool,

    #[command(flatten)]
    pub access: AccessConfig,

    #[command(flatten)]
    pub mercure: MercureConfig,

    #[command(flatten)]
    pub traces: TraceConfig,

    /// After SIGTERM: how long to keep serving, while load balancers notice that the server is not ready
    #[arg(long, env = "SSE_BROADCASTER_DRAIN_DELAY", value_name = "DURATION", value_parser = duration,
          default_value = "0s")]
    pub drain_delay: Duration,

    /// After that: the time over which streams are ended, so that their clients do not reconnect all at once
    #[arg(long, env = "SSE_BROADCASTER_DRAIN_TIME", value_name = "DURATION", value_parser = duration,
          default_value = "10s")]
    pub drain_time: Duration,

    /// Level of the log on standard error: error, warn, info, debug, or a filter as in RUST_LOG
    #[arg(long, env = "SSE_BROADCASTER_LOG", value_name = "FILTER")]
    pub log: Option<String>,

    /// Format of the log lines
    #[arg(
        long,
        env = "SSE_BROADCASTER_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,

    #[arg(skip)]
    pub given: Given,
}

/// Format of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    humantime::parse_duration(text)
        .map_err(|_| "a duration has a unit, for example 500ms, 30s, 10m or 24h".to_owned())
}

fn some_time(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        time if time < Duration::from_millis(10) => Err("the shortest time is 10ms".to_owned()),
        time => Ok(time),
    }
}

impl Config {
    /// The settings that client commands share with the server.
    #[must_use]
    pub fn client_defaults(&self) -> Defaults {
        Defaults {
            listen: self.listen.clone(),
            admin_listen: self.admin_listen.clone(),
            is_encrypted: self.tls.is_enabled(),
            base_path: self.proxies.base_path.clone().unwrap_or_default(),
            publish_keys: self.given_keys(),
            publish_key_file: self.publish_key_file.clone(),
        }
    }
}

/// The message of an error with those of its sources, in one line.
pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |&error| error.source());
    sources.fold(error.to_string(), |line, source| {
        format!("{line}: {source}")
    })
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::*;

    #[test]
    fn every_size_is_a_number_of_bytes_or_has_a_unit_and_its_default_is_readable() {
        let command = Config::augment_args(Command::new("sse-broadcaster"));
        let sizes = command.get_arguments().filter(|argument| {
            let variable = argument.get_env().unwrap_or_default().to_string_lossy();
            variable.contains("BYTES")
        });
        let flags: Vec<_> = sizes.filter_map(|size| size.get_long()).collect();
        assert!(flags.len() >= 8, "{flags:?}");
        let read = |arguments: &[String]| {
            let all =
                std::iter::once("sse-broadcaster".to_owned()).chain(arguments.iter().cloned());
            command.clone().try_get_matches_from(all)
        };
        for flag in &flags {
            for right in ["1048576", "64MiB", "1 GB", "512k"] {
                assert!(read(&[format!("--{flag}={right}")]).is_ok(), "{flag}");
            }
            for wrong in ["64 megabytes", "-1", "1.5GiB"] {
                let error = read(&[format!("--{flag}={wrong}")])
                    .unwrap_err()
                    .to_string();
                assert!(error.contains("for example 65536, 512KiB"), "{error}");
            }
        }
        let help = command.clone().render_long_help().to_string();
        for default in ["64MiB", "32MiB", "64KiB", "1MiB", "20MB"] {
            assert!(help.contains(&format!("[default: {default}]")), "{default}");
        }
    }

    #[test]
    fn the_window_has_the_bounds_of_a_history_in_memory() {
        let command = Config::augment_args(Command::new("sse-broadcaster"));
        let matches = command.try_get_matches_from(["sse-broadcaster"]).unwrap();
        let history = Config::from_arg_matches(&matches).unwrap().history;
        let memory = history.retention();
        assert_eq!(
            (history.window_events, history.window_bytes),
            (memory.events, memory.bytes)
        );
    }
}
