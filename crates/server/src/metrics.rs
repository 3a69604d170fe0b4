//! The core's atomics as Prometheus text.

mod process;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet,
        text::{encode_eof, encode_registry},
    },
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge, info::Info},
    registry::{Registry, Unit},
};

use sse_broadcaster::{
    broadcaster::{Broadcaster, Ended},
    history,
    stats::{LATENCY_BOUNDS_MICROS, Latency},
};
use sse_broadcaster_actix::internal::{AppState, Refusals, Uploads};

/// The whole of `GET /metrics`.
pub(crate) struct Metrics {
    registry: Registry,
    /// Whose names have no prefix of ours.
    process: Registry,
}

impl Metrics {
    /// `direct` counts the streams that the server has on sockets of its own.
    pub(crate) fn new(
        broadcaster: &Broadcaster,
        direct: &Arc<AtomicUsize>,
        state: &AppState,
    ) -> Self {
        let mut registry = Registry::with_prefix("sse_broadcaster");
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The server that answers", build);
        registry.register_collector(Box::new(Core {
            broadcaster: broadcaster.clone(),
            direct: Arc::clone(direct),
            refusals: Arc::clone(&state.refusals),
            uploads: Arc::clone(&state.uploads),
        }));
        let mut process = Registry::default();
        process.register_collector(Box::new(process::Process::new()));
        Self { registry, process }
    }

    pub(crate) fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, &self.process)?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

#[derive(Debug)]
struct Core {
    broadcaster: Broadcaster,
    direct: Arc<AtomicUsize>,
    refusals: Arc<Refusals>,
    uploads: Arc<Uploads>,
}

impl Collector for Core {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stats = self.broadcaster.stats();
        let mut out = Out(&mut encoder);
        out.gauge(
            "subscribers",
            "Streams that are open",
            stats.subscribers.get(),
        )?;
        out.gauge(
            "direct_subscribers",
            "Of these, on sockets that no dispatcher has buffers for",
            self.direct.load(Ordering::Relaxed) as u64,
        )?;
        out.counter(
            "subscribed",
            "Streams that were opened",
            stats.subscribed.get(),
        )?;
        out.ended(&self.broadcaster)?;
        out.refused(&self.refusals)?;
        out.gauge(
            "subscribers_behind",
            "Streams that have not taken what was due to them",
            stats.behind.get(),
        )?;
        out.counter(
            "published_events",
            "Events that were taken",
            stats.published.get(),
        )?;
        out.counter(
            "delivered_events",
            "Events that were handed to streams",
            stats.delivered.get(),
        )?;
        out.counter(
            "replayed_events",
            "Events that were handed to streams from history",
            stats.replayed.get(),
        )?;
        out.counter(
            "sent_bytes",
            "Bytes that were handed to streams",
            stats.bytes_sent.get(),
        )?;
        let buffers = self.broadcaster.replay_buffers();
        out.gauge(
            "replay_buffer_bytes",
            "Bytes that streams hold of what is past until their clients have taken them",
            buffers.used() as u64,
        )?;
        out.gauge(
            "replay_buffer_waiting",
            "Reads of what is past that have waited for room in these for a second",
            buffers.waiting() as u64,
        )?;
        out.gauge(
            "upload_buffer_bytes",
            "Bytes that request bodies hold until they are published, beyond 16 KiB of each",
            self.uploads.bytes() as u64,
        )?;
        out.gauge(
            "slow_uploads",
            "Request bodies that have been under way for more than a second",
            self.uploads.slow() as u64,
        )?;
        out.counter("gaps", "Gaps that were announced", stats.gaps.get())?;
        out.gauge(
            "lag_events",
            "Events that the slowest worker has not walked",
            self.broadcaster.lag(),
        )?;
        out.histogram(
            "publish_duration",
            "From a publish to its answer",
            &stats.publish_latency,
        )?;
        out.histogram(
            "fan_out_duration",
            "From an append to the last stream it was offered to",
            &stats.fan_out_latency,
        )?;
        out.history(&self.broadcaster)
    }
}

struct Out<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl Out<'_, '_> {
    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        let encoder = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        gauge.encode(encoder)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let encoder = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(encoder)
    }

    fn ended(&mut self, broadcaster: &Broadcaster) -> fmt::Result {
        let help = "Streams that ended, by reason";
        let mut family = self
            .0
            .encode_descriptor("ended", help, None, MetricType::Counter)?;
        for (reason, ended) in [
            ("gone", Ended::Gone),
            ("stalled", Ended::Stalled),
            ("drained", Ended::Drained),
            ("refused", Ended::Refused),
        ] {
            let counter = ConstCounter::new(broadcaster.stats().ended(ended));
            counter.encode(family.encode_family(&[("reason", reason)])?)?;
        }
        Ok(())
    }

    fn refused(&mut self, refusals: &Refusals) -> fmt::Result {
        let help = "Requests, and messages of WebSockets, that were refused, by status and code";
        let mut family =
            self.0
                .encode_descriptor("refused_requests", help, None, MetricType::Counter)?;
        for ((status, code), count) in refusals.counts() {
            let labels = [("status", status.to_string()), ("code", code.to_owned())];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    /// A time in milliseconds since the Unix epoch, as seconds, and under its former name.
    #[allow(
        clippy::cast_precision_loss,
        reason = "times of this age are far below 2^52 milliseconds"
    )]
    fn timestamp(&mut self, name: &str, help: &str, ms: u64) -> fmt::Result {
        let unit = Some(&Unit::Seconds);
        let encoder = self
            .0
            .encode_descriptor(name, help, unit, MetricType::Gauge)?;
        ConstGauge::new(ms as f64 / 1e3).encode(encoder)?;
        let help = format!("Deprecated, use {name}_seconds. {help}");
        self.gauge(&format!("{name}_milliseconds"), &help, ms)
    }

    fn histogram(&mut self, name: &str, help: &str, latency: &Latency) -> fmt::Result {
        let unit = Some(&Unit::Seconds);
        let encoder = self
            .0
            .encode_descriptor(name, help, unit, MetricType::Histogram)?;
        encode_latency(latency, encoder)
    }

    fn history(&mut self, broadcaster: &Broadcaster) -> fmt::Result {
        let bounds = broadcaster.bounds();
        self.gauge(
            "history_events",
            "Events that history holds",
            bounds.events as u64,
        )?;
        self.gauge(
            "history_bytes",
            "What history holds, as its bound counts it",
            bounds.bytes as u64,
        )?;
        let oldest = bounds.oldest.unwrap_or(bounds.head).ms();
        self.timestamp(
            "history_oldest_timestamp",
            "When the oldest event was taken",
            oldest,
        )?;
        self.timestamp(
            "history_newest_timestamp",
            "When the newest event was taken",
            bounds.head.ms(),
        )?;
        self.gauge(
            "history_available",
            "Whether history can take a publish, as far as it knows",
            u64::from(broadcaster.history_health().is_ok()),
        )?;
        self.backend(broadcaster.history_stats())
    }

    fn backend(&mut self, stats: &history::Stats) -> fmt::Result {
        self.histogram(
            "history_commit_duration",
            "How long a commit to a log took, as durable as was asked",
            &stats.commit_latency,
        )?;
        self.counter(
            "history_commits",
            "Commits to a log; each takes what had come in meanwhile",
            stats.commits.get(),
        )?;
        self.counter(
            "history_committed_events",
            "Events in these commits",
            stats.committed.get(),
        )?;
        self.gauge(
            "history_size_bytes",
            "Bytes that a log takes where it is",
            stats.size_bytes.get(),
        )?;
        self.counter(
            "history_reconnects",
            "How often a log that was away is there again",
            stats.reconnects.get(),
        )?;
        self.gauge(
            "history_tail_lag_events",
            "Events that are known to be in a log and have not come from it yet",
            stats.tail_lag.get(),
        )
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "bounds and sums are far below 2^52 microseconds"
)]
fn encode_latency(latency: &Latency, mut encoder: MetricEncoder<'_>) -> fmt::Result {
    let bounds = LATENCY_BOUNDS_MICROS
        .iter()
        .map(|micros| *micros as f64 / 1e6);
    let bounds = bounds.chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(latency.buckets()).collect();
    let count = buckets.iter().map(|(_, count)| count).sum();
    let no_exemplars: Option<&std::collections::HashMap<usize, _>> = None;
    encoder.encode_histogram::<NoLabelSet>(
        latency.sum().as_secs_f64(),
        count,
        &buckets,
        no_exemplars,
    )
}
