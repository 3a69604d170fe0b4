//! The report of a run, from its measurements.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use hdrhistogram::{Counter, Histogram};

use super::{
    figures::{cores, each, micros_each, per_second},
    measured::Measured,
    process::Processes,
    report::{
        Client, Deliveries, Events, Latencies, Moment, Percentiles, Reason, Report, Server,
        Settings, Subscribers,
    },
    settings::{Bench, Servers},
    shared::Reasons,
    timeline::Steps,
    usage::Usage,
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
    fn of(measured: &Measured) -> Self {
        let Measured {
            shared,
            tally,
            published,
            ..
        } = measured;
        let counts = tally.counts;
        let mut settled = published.settled;
        settled.add(shared.ledger.settle_all());
        let began = shared.started.load(Relaxed);
        let took = shared.last_delivered.load(Relaxed).saturating_sub(began);
        Self {
            expected: shared.expected.load(Relaxed),
            delivered: counts.delivered,
            per_second: per_second(counts.delivered, Duration::from_nanos(took)),
            // What came after the ledger had given it up was not missing.
            missing: settled.lacking.saturating_sub(counts.late),
            duplicated: counts.duplicated,
            out_of_order: counts.out_of_order,
            unasked: counts.unasked,
            unacknowledged: settled.unacknowledged,
        }
    }
}

impl Percentiles {
    pub(super) fn of<T: Counter>(micros: &Histogram<T>) -> Option<Self> {
        #[allow(clippy::cast_precision_loss, reason = "ten minutes are far from that")]
        let millis = |value: u64| value as f64 / 1_000.0;
        // A bucket ends behind the longest that lies in it.
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
        usage: &Usage,
        subscribers: u64,
        deliveries: u64,
        took: Duration,
    ) -> Self {
        let Usage {
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
    fn new(usage: Option<Usage>, deliveries: u64, took: Duration) -> Self {
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
    pub(super) fn new(bench: &Bench, servers: &Servers, measured: &Measured) -> Self {
        let Measured {
            shared,
            server,
            tally,
            published,
            ..
        } = measured;
        let opened = shared.ledger.subscribers();
        let delivered = tally.counts.delivered;
        let of_server = |(processes, usage): &(Processes, Usage)| {
            Server::new(processes, usage, opened, delivered, published.took)
        };
        Self {
            url: servers.shown[0].clone(),
            publish_url: servers.shown[1].clone(),
            settings: Settings::of(bench),
            ended_early: shared.is_stopped(),
            subscribers: Subscribers {
                asked: bench.subscribers,
                opened,
                opening_s: measured.opening.as_secs_f64(),
                not_opened: reasons(&shared.not_opened.lock()),
                cut: reasons(&shared.cut.lock()),
            },
            events: Events {
                published: published.published,
                per_second: per_second(published.published, published.took),
                refused: reasons(&published.refused),
                unanswered: reasons(&published.unanswered),
            },
            deliveries: Deliveries::of(measured),
            latency_ms: Latencies {
                arrival: Percentiles::of(&tally.arrivals),
                last: Percentiles::of(&tally.lasts),
                answer: Percentiles::of(&published.answers),
            },
            server: server.as_ref().map(of_server),
            client: Client::new(measured.client, delivered, published.took),
            timeline: timeline(&tally.steps),
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

fn timeline(steps: &Steps) -> Vec<Moment> {
    let length = steps.length();
    let moments = (0..).zip(steps.iter()).map(|(number, step)| Moment {
        at_s: (length * number).as_secs_f64(),
        published_per_second: per_second(step.published, length),
        delivered_per_second: per_second(step.arrivals.len(), length),
        arrival_ms: Percentiles::of(&step.arrivals),
    });
    moments.collect()
}
