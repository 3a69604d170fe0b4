//! The figures of the last minutes, one sample a second, for the console.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde::Serialize;
use sse_broadcaster::{
    broadcaster::Broadcaster,
    internal::now_ms,
    stats::{LATENCY_BOUNDS_MICROS, Latency},
};
use sse_broadcaster_http::RefusalCounts;
use tokio::time::{MissedTickBehavior, interval};

use super::process::resident_bytes;

/// How many samples are kept.
pub(crate) const MAX_SAMPLES: usize = 300;
const INTERVAL: Duration = Duration::from_secs(1);
const BUCKETS: usize = LATENCY_BOUNDS_MICROS.len() + 1;

/// The figures of one second.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Sample {
    /// In milliseconds since the Unix epoch.
    pub(crate) time: u64,
    pub(crate) subscribers: u64,
    pub(crate) behind: u64,
    /// The rates are per second.
    pub(crate) published: f64,
    pub(crate) delivered: f64,
    pub(crate) sent_bytes: f64,
    /// `None` if nothing was published.
    pub(crate) fan_out_ms: Option<FanOut>,
    pub(crate) lag_events: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) gaps: f64,
    pub(crate) refused: f64,
}

/// The time from the commit of events until they were offered to the last stream.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct FanOut {
    pub(crate) mean: f64,
    pub(crate) p99: f64,
}

/// The samples of the last minutes, oldest first.
#[derive(Debug)]
pub(crate) struct Samples {
    broadcaster: Broadcaster,
    refusals: Arc<RefusalCounts>,
    ring: Mutex<VecDeque<Sample>>,
}

/// What has been counted up to some time.
struct Totals {
    at: Instant,
    published: u64,
    delivered: u64,
    sent_bytes: u64,
    gaps: u64,
    refused: u64,
    fan_out: FanOutTotals,
}

#[derive(Debug, Clone, Copy)]
struct FanOutTotals {
    sum: Duration,
    buckets: [u64; BUCKETS],
}

impl Samples {
    /// The first sample is of now.
    pub(crate) fn new(broadcaster: &Broadcaster, refusals: &Arc<RefusalCounts>) -> Arc<Self> {
        let samples = Self {
            broadcaster: broadcaster.clone(),
            refusals: Arc::clone(refusals),
            ring: Mutex::default(),
        };
        let totals = samples.totals();
        samples.add(&totals, &totals);
        Arc::new(samples)
    }

    /// Takes a sample a second. Never ends.
    pub(crate) async fn take_all(self: Arc<Self>) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before = self.totals();
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let totals = self.totals();
            self.add(&before, &totals);
            before = totals;
        }
    }

    /// The last so many samples.
    pub(crate) fn last(&self, count: usize) -> Vec<Sample> {
        let ring = self.ring.lock();
        ring.range(ring.len().saturating_sub(count)..)
            .copied()
            .collect()
    }

    /// The last sample, with the figures that need no interval as of now.
    pub(crate) fn now(&self) -> Sample {
        let newest = self.ring.lock().back().copied();
        let newest = newest.expect("the first sample is taken at the start");
        let stats = self.broadcaster.stats();
        Sample {
            subscribers: stats.subscribers.get(),
            behind: stats.behind.get(),
            lag_events: self.broadcaster.lag(),
            ..newest
        }
    }

    fn add(&self, before: &Totals, totals: &Totals) {
        let sample = self.sample(before, totals);
        let mut ring = self.ring.lock();
        if ring.len() >= MAX_SAMPLES {
            ring.pop_front();
        }
        ring.push_back(sample);
    }

    fn sample(&self, before: &Totals, totals: &Totals) -> Sample {
        let seconds = totals.at.duration_since(before.at).as_secs_f64();
        let rate = |before: u64, now: u64| rate(now.saturating_sub(before), seconds);
        let stats = self.broadcaster.stats();
        Sample {
            time: now_ms(),
            subscribers: stats.subscribers.get(),
            behind: stats.behind.get(),
            published: rate(before.published, totals.published),
            delivered: rate(before.delivered, totals.delivered),
            sent_bytes: rate(before.sent_bytes, totals.sent_bytes),
            fan_out_ms: totals.fan_out.since(&before.fan_out),
            lag_events: self.broadcaster.lag(),
            memory_bytes: resident_bytes(),
            gaps: rate(before.gaps, totals.gaps),
            refused: rate(before.refused, totals.refused),
        }
    }

    fn totals(&self) -> Totals {
        let stats = self.broadcaster.stats();
        let refused = self.refusals.counts();
        Totals {
            at: Instant::now(),
            published: stats.published.get(),
            delivered: stats.delivered.get(),
            sent_bytes: stats.bytes_sent.get(),
            gaps: stats.gaps.get(),
            refused: refused.iter().map(|(_, count)| count).sum(),
            fan_out: FanOutTotals::of(&stats.fan_out_latency),
        }
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "what is counted in a second is far below 2^52"
)]
fn rate(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        rounded(count as f64 / seconds)
    } else {
        0.0
    }
}

/// To hundredths.
fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

impl FanOutTotals {
    fn of(latency: &Latency) -> Self {
        let mut buckets = [0; BUCKETS];
        for (bucket, count) in buckets.iter_mut().zip(latency.buckets()) {
            *bucket = count;
        }
        Self {
            sum: latency.sum(),
            buckets,
        }
    }

    fn since(&self, before: &Self) -> Option<FanOut> {
        let mut buckets = self.buckets;
        for (bucket, before) in buckets.iter_mut().zip(before.buckets) {
            *bucket = bucket.saturating_sub(before);
        }
        let count: u64 = buckets.iter().sum();
        let sum = self.sum.saturating_sub(before.sum);
        let mean = sum / u32::try_from(count).ok().filter(|count| *count > 0)?;
        Some(FanOut {
            mean: rounded(mean.as_secs_f64() * 1e3),
            p99: rounded(percentile_99_micros(&buckets, count) / 1e3),
        })
    }
}

/// The 99th percentile, as if the durations of a bucket were evenly distributed.
#[allow(
    clippy::cast_precision_loss,
    reason = "bounds and counts are far below 2^52"
)]
fn percentile_99_micros(buckets: &[u64; BUCKETS], count: u64) -> f64 {
    let wanted = count as f64 * 0.99;
    let (mut below, mut lower) = (0.0, 0.0);
    for (in_bucket, upper) in buckets.iter().zip(LATENCY_BOUNDS_MICROS) {
        let in_bucket = *in_bucket as f64;
        let upper = upper as f64;
        if in_bucket > 0.0 && below + in_bucket >= wanted {
            return lower + (upper - lower) * (wanted - below) / in_bucket;
        }
        below += in_bucket;
        lower = upper;
    }
    // Past the last bound.
    lower
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_99th_percentile_is_within_its_bucket() {
        let buckets = |counts: &[(usize, u64)]| {
            let mut buckets = [0; BUCKETS];
            for (at, count) in counts {
                buckets[*at] = *count;
            }
            buckets
        };
        let of = |counts: &[(usize, u64)]| {
            let buckets = buckets(counts);
            percentile_99_micros(&buckets, buckets.iter().sum())
        };
        // All below 50 µs; one of a hundred between 5 and 10 ms; all past the last bound.
        assert!((of(&[(0, 100)]) - 49.5).abs() < 0.01);
        assert!((5_000.0..10_000.0).contains(&of(&[(0, 980), (7, 20)])));
        assert!((of(&[(BUCKETS - 1, 3)]) - 10_000_000.0).abs() < 0.01);
    }

    #[test]
    fn fan_out_is_that_of_the_interval_alone_and_none_without_events() {
        let latency = Latency::default();
        latency.observe(Duration::from_millis(200));
        let before = FanOutTotals::of(&latency);
        assert_eq!(before.since(&before), None);
        latency.observe(Duration::from_micros(900));
        latency.observe(Duration::from_micros(700));
        let fan_out = FanOutTotals::of(&latency).since(&before).unwrap();
        assert!((fan_out.mean - 0.8).abs() < 0.001, "{fan_out:?}");
        assert!((0.5..=1.0).contains(&fan_out.p99), "{fan_out:?}");
    }
}
