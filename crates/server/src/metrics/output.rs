//! Encodes metrics by `prometheus-client`.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric as _, MetricEncoder, NoLabelSet},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

use sse_broadcaster::stats::{LATENCY_BOUNDS_MICROS, Latency};

/// Writes metrics one after the other.
pub(super) struct Out<'a, 'b>(pub(super) &'a mut DescriptorEncoder<'b>);

impl Out<'_, '_> {
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        let encoder = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        gauge.encode(encoder)
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let encoder = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(encoder)
    }

    /// Writes a time, given in milliseconds of the Unix epoch, in seconds.
    #[allow(
        clippy::cast_precision_loss,
        reason = "times of this age are far below 2^52 milliseconds"
    )]
    pub(super) fn timestamp(&mut self, name: &str, help: &str, ms: u64) -> fmt::Result {
        let unit = Some(&Unit::Seconds);
        let encoder = self
            .0
            .encode_descriptor(name, help, unit, MetricType::Gauge)?;
        ConstGauge::new(ms as f64 / 1e3).encode(encoder)
    }

    pub(super) fn histogram(&mut self, name: &str, help: &str, latency: &Latency) -> fmt::Result {
        let unit = Some(&Unit::Seconds);
        let encoder = self
            .0
            .encode_descriptor(name, help, unit, MetricType::Histogram)?;
        encode_latency(latency, encoder)
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
