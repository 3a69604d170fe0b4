//! Makes the report of a run from its measurements.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use hdrhistogram::{Counter, Histogram};

use super::{
    Client, Deliveries, Events, Latencies, Moment, Percentiles, Reason, Report, Server, Settings,
    Subscribers,
};
use crate::{
    measurements::Measurements,
    ratios::{cores, each, micros_each, per_second},
    reasons::Reasons,
    servers::Servers,
    settings::Bench,
    timeline::Timeline,
    usage::{Processes, StageUsage},
};

impl Settings {
    fn of(bench: &Bench) -> Self {
        Self {
            subscribers: bench.subscribers,
            rate: bench.rate.rate(),
            publishers: bench.publishers,
            duration_s: bench.duration.as_secs_f64(),
            size: bench.size,
            topic: bench.topic.clone(),
            topics: bench.topics,
            threads: bench.threads(),
        }
    }
}

impl Deliveries {
    fn of(measurements: &Measurements) -> Self {
        let Measurements {
            state,
            deliveries,
            published,
            ..
        } = measurements;
        let counts = deliveries.counts;
        let mut untracked = published.untracked;
        untracked.add(state.tracker.stop_tracking_all());
        let began = state.started.load(Relaxed);
        let took = state.last_delivered.load(Relaxed).saturating_sub(began);
        Self {
            expected: state.expected.load(Relaxed),
            delivered: counts.delivered,
            per_second: per_second(counts.delivered, Duration::from_nanos(took)),
            // An event that arrived once it was no longer tracked is not missing.
            missing: untracked.missing.saturating_sub(counts.late),
            duplicated: counts.duplicated,
            out_of_order: counts.out_of_order,
            unasked: counts.unasked,
            unacknowledged: untracked.unacknowledged,
        }
    }
}

impl Percentiles {
    pub(crate) fn of<T: Counter>(micros: &Histogram<T>) -> Option<Self> {
        #[allow(clippy::cast_precision_loss, reason = "ten minutes are far from that")]
        let millis = |value: u64| value as f64 / 1_000.0;
        // The upper bound of a bucket may be above the longest latency in it.
        let at = |quantile| millis(micros.value_at_quantile(quantile).min(micros.max()));
        (!micros.is_empty()).then(|| Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: millis(micros.max()),
        })
    }
}

impl Server {
    fn new(
        Processes(pids): &Processes,
        usage: &StageUsage,
        subscribers: u64,
        deliveries: u64,
        took: Duration,
    ) -> Self {
        let StageUsage {
            before,
            idle,
            at_start,
            published,
            at_end,
        } = usage;
        let run = at_end.since(at_start);
        #[allow(clippy::cast_precision_loss, reason = "no machine has so much")]
        let grown = idle.resident as f64 - before.resident as f64;
        Self {
            pids: pids.clone(),
            connect_us_per_subscriber: micros_each(idle.since(before).cpu(), subscribers),
            user_us_per_delivery: micros_each(run.user, deliveries),
            system_us_per_delivery: micros_each(run.system, deliveries),
            cores: cores(published.since(at_start).cpu(), took),
            memory_bytes_before: before.resident,
            memory_bytes_idle: idle.resident,
            memory_bytes_at_end: at_end.resident,
            memory_bytes_per_subscriber: each(grown, subscribers),
        }
    }
}

impl Client {
    fn new(usage: Option<StageUsage>, deliveries: u64, took: Duration) -> Self {
        let run = usage.map(|usage| usage.at_end.since(&usage.at_start));
        let published = usage.map(|usage| usage.published.since(&usage.at_start));
        Self {
            cpu_us_per_delivery: run.and_then(|run| micros_each(run.cpu(), deliveries)),
            cores: published.and_then(|run| cores(run.cpu(), took)),
            memory_bytes: run.map(|run| run.resident),
        }
    }
}

impl Report {
    pub(crate) fn new(bench: &Bench, servers: &Servers, measurements: &Measurements) -> Self {
        let Measurements {
            state,
            server,
            deliveries,
            published,
            ..
        } = measurements;
        let opened = state.tracker.subscribers();
        let delivered = deliveries.counts.delivered;
        let of_server = |(processes, usage): &(Processes, StageUsage)| {
            Server::new(processes, usage, opened, delivered, published.took)
        };
        Self {
            url: servers.shown[0].clone(),
            publish_url: servers.shown[1].clone(),
            settings: Settings::of(bench),
            ended_early: state.is_stopped(),
            subscribers: Subscribers {
                asked: bench.subscribers,
                opened,
                opening_s: measurements.opening.as_secs_f64(),
                not_opened: reasons(&state.not_opened.lock()),
                cut: reasons(&state.cut.lock()),
            },
            events: Events {
                published: published.published,
                per_second: per_second(published.published, published.took),
                refused: reasons(&published.rejected),
                unanswered: reasons(&published.no_response),
            },
            deliveries: Deliveries::of(measurements),
            latency_ms: Latencies {
                arrival: Percentiles::of(&deliveries.arrivals),
                last: Percentiles::of(&deliveries.last_arrivals),
                answer: Percentiles::of(&published.response_times),
            },
            server: server.as_ref().map(of_server),
            client: Client::new(measurements.client, delivered, published.took),
            timeline: moments(&deliveries.timeline),
        }
    }
}

fn reasons(of: &Reasons) -> Vec<Reason> {
    let sorted = of.sorted().into_iter();
    let reason = |(why, count): (&str, u64)| Reason {
        why: why.to_owned(),
        count,
    };
    sorted.map(reason).collect()
}

fn moments(timeline: &Timeline) -> Vec<Moment> {
    let length = timeline.length();
    let moments = (0..).zip(timeline.iter()).map(|(number, step)| Moment {
        at_s: (length * number).as_secs_f64(),
        published_per_second: per_second(step.published, length),
        delivered_per_second: per_second(step.arrivals.len(), length),
        arrival_ms: Percentiles::of(&step.arrivals),
    });
    moments.collect()
}
