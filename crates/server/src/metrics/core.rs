//! Metrics of streams, events and requests.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, counter::ConstCounter},
};

use super::{history, memory_limit::memory_limit, output::Out, presence, tls};
use crate::{
    http::{http2, tls::Tls},
    process::logging::dropped_lines,
    traces::TraceStats,
};
use sse_broadcaster::broadcaster::{Broadcaster, Ended};
use sse_broadcaster_http::{RefusalCounts, Uploads};
use sse_broadcaster_presence::Presence;

#[derive(Debug)]
pub(super) struct Core {
    pub(super) broadcaster: Broadcaster,
    pub(super) direct: Arc<AtomicUsize>,
    pub(super) http2: Arc<http2::Counts>,
    pub(super) refusals: Arc<RefusalCounts>,
    pub(super) uploads: Arc<Uploads>,
    pub(super) presence: Option<Presence>,
    /// `None` if no spans are sent.
    pub(super) traces: Option<Arc<TraceStats>>,
    pub(super) tls: Option<Tls>,
}

impl Collector for Core {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Out(&mut encoder);
        self.streams(&mut out)?;
        self.events(&mut out)?;
        self.buffers(&mut out)?;
        self.delivery(&mut out)?;
        if let Some(presence) = &self.presence {
            presence::encode(&mut out, presence)?;
        }
        if let Some(traces) = &self.traces {
            encode_traces(&mut out, traces)?;
        }
        if let Some(tls) = &self.tls {
            tls::encode(&mut out, tls)?;
        }
        out.counter(
            "log_lines_dropped",
            "Lines that were not logged, since standard error had no room",
            dropped_lines(),
        )?;
        if let Some(bytes) = memory_limit() {
            let help = "Memory that the process may take: that of the machine, or less by its control group";
            out.gauge("memory_limit_bytes", help, bytes)?;
        }
        history::encode(&mut out, &self.broadcaster)
    }
}

fn encode_traces(out: &mut Out<'_, '_>, traces: &TraceStats) -> fmt::Result {
    out.counter(
        "trace_spans",
        "Spans that the collector has accepted",
        traces.sent.load(Ordering::Relaxed),
    )?;
    out.counter(
        "trace_spans_dropped",
        "Spans that were dropped, since too many waited or the collector did not accept them",
        traces.dropped.load(Ordering::Relaxed),
    )
}

impl Core {
    fn streams(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let stats = self.broadcaster.stats();
        out.gauge("subscribers", "Open streams", stats.subscribers.get())?;
        out.gauge(
            "max_subscribers",
            "Most open streams",
            self.broadcaster.max_subscribers() as u64,
        )?;
        out.gauge(
            "direct_subscribers",
            "Open streams on the direct path, which has no buffers for each",
            self.direct.load(Ordering::Relaxed) as u64,
        )?;
        out.gauge(
            "http2_connections",
            "Open connections that speak HTTP/2",
            self.http2.connections.load(Ordering::Relaxed) as u64,
        )?;
        out.gauge(
            "http2_subscribers",
            "Open streams over HTTP/2",
            self.http2.streams.load(Ordering::Relaxed) as u64,
        )?;
        out.counter("subscribed", "Opened streams", stats.subscribed.get())?;
        self.ended(out)?;
        self.refused(out)?;
        out.gauge(
            "subscribers_behind",
            "Streams that have not been sent all events that are due",
            stats.behind.get(),
        )?;
        Ok(())
    }

    fn ended(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let help = "Ended streams, by reason";
        let mut family = out
            .0
            .encode_descriptor("ended", help, None, MetricType::Counter)?;
        for (reason, ended) in [
            ("gone", Ended::Gone),
            ("stalled", Ended::Stalled),
            ("drained", Ended::Drained),
            ("refused", Ended::Refused),
            ("grant_ended", Ended::GrantEnded),
            ("disconnected", Ended::Disconnected),
            ("finished", Ended::Finished),
        ] {
            let counter = ConstCounter::new(self.broadcaster.stats().ended(ended));
            counter.encode(family.encode_family(&[("reason", reason)])?)?;
        }
        Ok(())
    }

    fn refused(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let help = "Refused requests and WebSocket messages, by status and code";
        let mut family =
            out.0
                .encode_descriptor("refused_requests", help, None, MetricType::Counter)?;
        for ((status, code), count) in self.refusals.counts() {
            let labels = [("status", status.to_string()), ("code", code.to_owned())];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn events(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let stats = self.broadcaster.stats();
        out.counter(
            "published_events",
            "Published events",
            stats.published.get(),
        )?;
        out.counter(
            "delivered_events",
            "Events sent to streams",
            stats.delivered.get(),
        )?;
        out.counter(
            "replayed_events",
            "Events sent to streams from history",
            stats.replayed.get(),
        )?;
        out.counter(
            "sent_bytes",
            "Bytes sent to streams",
            stats.bytes_sent.get(),
        )?;
        Ok(())
    }

    fn buffers(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let buffers = self.broadcaster.replay_buffers();
        out.gauge(
            "replay_buffer_bytes",
            "Bytes of replayed events in memory until they are sent",
            buffers.used() as u64,
        )?;
        out.gauge(
            "replay_buffer_waiting",
            "Replays that have waited for this memory for more than a second",
            buffers.waiting() as u64,
        )?;
        out.gauge(
            "upload_buffer_bytes",
            "Bytes of request bodies in memory until they are published, beyond 16 KiB of each",
            self.uploads.bytes() as u64,
        )?;
        out.gauge(
            "slow_uploads",
            "Request bodies that have been arriving for more than a second",
            self.uploads.slow() as u64,
        )?;
        Ok(())
    }

    fn delivery(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let stats = self.broadcaster.stats();
        out.counter("gaps", "Gaps that were sent to streams", stats.gaps.get())?;
        out.gauge(
            "lag_events",
            "Events that the slowest worker has not offered to its streams",
            self.broadcaster.lag(),
        )?;
        out.histogram(
            "publish_duration",
            "Time from a publish to its response",
            &stats.publish_latency,
        )?;
        out.histogram(
            "fan_out_duration",
            "Time from the commit of events until they were offered to the last stream",
            &stats.fan_out_latency,
        )?;
        Ok(())
    }
}
