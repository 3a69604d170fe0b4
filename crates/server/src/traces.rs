//! OpenTelemetry traces: the spans of publishes, of their appends to history, and of their deliveries.
//!
//! ```text
//! traces/enabled.rs             the provider of spans: sampler, resource, queue, and the end
//! traces/enabled/settings.rs    where spans are sent, by the settings and the variables OTEL_*
//! traces/enabled/publishes.rs   the span of one publish
//! traces/enabled/observer.rs    the spans of appends and deliveries
//! traces/enabled/attributes.rs  the attributes of spans
//! traces/enabled/queue.rs       the bound of what waits to be sent
//! traces/enabled/exporter.rs    sends batches of spans, and repeats what failed
//! traces/enabled/otlp.rs        spans as the JSON of OTLP
//! traces/disabled.rs            a program that was built without the feature `opentelemetry`
//! ```
//!
//! Neither the core nor the routes know OpenTelemetry: they call [`TraceObserver`] and [`PublishTracer`], and only for
//! what belongs to a sampled trace. Without an endpoint there is nobody to call, and no thread.
//!
//! [`TraceObserver`]: sse_broadcaster::broadcaster::TraceObserver
//! [`PublishTracer`]: sse_broadcaster_http::PublishTracer

#[cfg(not(feature = "opentelemetry"))]
mod disabled;
#[cfg(feature = "opentelemetry")]
mod enabled;

use std::sync::atomic::AtomicU64;

#[cfg(not(feature = "opentelemetry"))]
pub(crate) use disabled::{Traces, check};
#[cfg(feature = "opentelemetry")]
pub(crate) use enabled::{Traces, check};

/// What became of spans since the start.
#[derive(Debug, Default)]
pub(crate) struct TraceStats {
    /// Spans that the collector has accepted.
    pub(crate) sent: AtomicU64,
    /// Spans that were dropped, since too many waited or the collector did not accept them.
    pub(crate) dropped: AtomicU64,
}
