//! HTTP/2.

use clap::{Args, builder::BoolishValueParser};

/// Most streams that a connection may be allowed.
const MAX_STREAMS: i64 = 100_000;

/// How HTTP/2 is spoken.
#[derive(Debug, Clone, Args)]
#[allow(clippy::doc_markdown, reason = "--help prints these as they are")]
pub struct Http2Config {
    /// Speak HTTP/2 without TLS to clients that begin with it, such as a proxy (h2c with prior knowledge), beside
    /// HTTP/1.1
    #[arg(long, env = "SSE_BROADCASTER_HTTP2_PRIOR_KNOWLEDGE", value_parser = BoolishValueParser::new())]
    pub http2_prior_knowledge: bool,

    /// Most requests and streams of one HTTP/2 connection at a time. A proxy that sends many subscribers over few
    /// connections needs more
    #[arg(long, env = "SSE_BROADCASTER_HTTP2_MAX_STREAMS", value_name = "N", default_value_t = 256,
          value_parser = clap::value_parser!(u32).range(1..=MAX_STREAMS))]
    pub http2_max_streams: u32,
}
