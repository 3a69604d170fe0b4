//! Where traces are sent.

use clap::Args;

/// The settings of traces, beside the variables `OTEL_*`.
#[derive(Debug, Clone, Default, Args)]
#[allow(clippy::doc_markdown, reason = "--help prints these as they are")]
pub struct TraceConfig {
    /// Address of the OpenTelemetry collector that spans of publishes are sent to, by OTLP over HTTP: /v1/traces is
    /// added. Without it the variables OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_TRACES_ENDPOINT name one;
    /// other variables OTEL_* set headers, names and the sampler [default: no traces]
    #[arg(long, env = "SSE_BROADCASTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
}
