//! The bound of spans that wait to be sent. The SDK has the same bound, but reports what it drops to `tracing` alone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use opentelemetry::Context;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor},
};

use crate::traces::TraceStats;

/// How many spans wait.
pub(super) type Waiting = Arc<AtomicUsize>;

/// Hands spans to the thread that sends them, unless too many wait. It never waits.
#[derive(Debug)]
pub(super) struct Queue {
    sender: BatchSpanProcessor,
    waiting: Waiting,
    max: usize,
    stats: Arc<TraceStats>,
}

impl Queue {
    /// Starts the thread. `exporter` takes what it sends from `waiting`.
    pub(super) fn start(
        exporter: impl SpanExporter + 'static,
        waiting: Waiting,
        max: usize,
        stats: Arc<TraceStats>,
    ) -> Self {
        let config = BatchConfigBuilder::default().with_max_queue_size(max);
        let sender = BatchSpanProcessor::builder(exporter).with_batch_config(config.build());
        Self {
            sender: sender.build(),
            waiting,
            max,
            stats,
        }
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.sender.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) < self.max {
            self.sender.on_end(span);
            return;
        }
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        if self.stats.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
            log::warn!(
                "traces: {} spans wait to be sent, and further ones are dropped: the collector is too slow or unreachable",
                self.max
            );
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.sender.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.sender.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.sender.set_resource(resource);
    }
}
