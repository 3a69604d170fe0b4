//! What a run has shown. Its fields, by their names, are what `--json` prints: they stay.

use serde::Serialize;

use super::format::count;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) url: String,
    pub(super) publish_url: String,
    pub(super) settings: Settings,
    /// The user ended it before its time.
    pub(super) ended_early: bool,
    pub(super) subscribers: Subscribers,
    pub(super) events: Events,
    pub(super) deliveries: Deliveries,
    pub(super) latency_ms: Latencies,
    pub(super) server: Option<Server>,
    pub(super) client: Client,
    pub(super) timeline: Vec<Moment>,
}

#[derive(Debug, Serialize)]
pub(super) struct Settings {
    pub(super) subscribers: u64,
    /// None as fast as they are answered.
    pub(super) rate: Option<f64>,
    pub(super) publishers: u64,
    pub(super) duration_s: f64,
    pub(super) size: u64,
    pub(super) topic: String,
    pub(super) topics: u64,
    pub(super) threads: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Reason {
    pub(super) why: String,
    pub(super) count: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Subscribers {
    pub(super) asked: u64,
    pub(super) opened: u64,
    pub(super) opening_s: f64,
    pub(super) not_opened: Vec<Reason>,
    /// Streams that ended while the run went on.
    pub(super) cut: Vec<Reason>,
}

#[derive(Debug, Serialize)]
pub(super) struct Events {
    /// Answered as taken.
    pub(super) published: u64,
    pub(super) per_second: f64,
    pub(super) refused: Vec<Reason>,
    /// Nobody knows whether they were taken.
    pub(super) unanswered: Vec<Reason>,
}

#[derive(Debug, Serialize)]
pub(super) struct Deliveries {
    /// One of each published event to each subscriber of its topic.
    pub(super) expected: u64,
    pub(super) delivered: u64,
    pub(super) per_second: f64,
    pub(super) missing: u64,
    pub(super) duplicated: u64,
    pub(super) out_of_order: u64,
    /// Of a topic that the subscriber had not asked for.
    pub(super) unasked: u64,
    /// Of events whose publish was refused, or not answered.
    pub(super) unacknowledged: u64,
}

/// None where nothing was measured.
#[derive(Debug, Serialize)]
pub(super) struct Latencies {
    /// From publish to the arrival at a subscriber.
    pub(super) arrival: Option<Percentiles>,
    /// From publish to the arrival at the last subscriber of an event.
    pub(super) last: Option<Percentiles>,
    /// From publish to its answer.
    pub(super) answer: Option<Percentiles>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct Server {
    pub(super) pids: Vec<u32>,
    pub(super) connect_us_per_subscriber: Option<f64>,
    pub(super) user_us_per_delivery: Option<f64>,
    pub(super) system_us_per_delivery: Option<f64>,
    /// Cores that it kept busy while events were published.
    pub(super) cores: Option<f64>,
    pub(super) memory_bytes_before: u64,
    pub(super) memory_bytes_idle: u64,
    pub(super) memory_bytes_at_end: u64,
    pub(super) memory_bytes_per_subscriber: Option<f64>,
}

/// This command itself.
#[derive(Debug, Serialize)]
pub(super) struct Client {
    pub(super) cpu_us_per_delivery: Option<f64>,
    pub(super) cores: Option<f64>,
    pub(super) memory_bytes: Option<u64>,
}

/// One step of the time in which events were published.
#[derive(Debug, Serialize)]
pub(super) struct Moment {
    pub(super) at_s: f64,
    pub(super) published_per_second: f64,
    pub(super) delivered_per_second: f64,
    pub(super) arrival_ms: Option<Percentiles>,
}

impl Report {
    /// Why the server has not done what was asked of it, if it has not.
    pub(super) fn failure(&self) -> Option<String> {
        let Deliveries {
            missing,
            duplicated,
            out_of_order,
            ..
        } = self.deliveries;
        let refused = self
            .events
            .refused
            .first()
            .or(self.events.unanswered.first());
        if self.subscribers.opened == 0 {
            let why = self.subscribers.not_opened.first();
            let why = why.map_or("ended early", |reason| &reason.why);
            return Some(format!("nothing could be opened: {why}"));
        }
        if self.events.published == 0 {
            let why = refused.map_or("ended early", |reason| &reason.why);
            return Some(format!("nothing could be published: {why}"));
        }
        let wrong: Vec<String> = [
            (missing, "missing"),
            (duplicated, "duplicated"),
            (out_of_order, "out of order"),
        ]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{} {what}", count(number)))
        .collect();
        (!wrong.is_empty()).then(|| format!("deliveries: {}", wrong.join(", ")))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn reason(why: &str, count: u64) -> Vec<Reason> {
        vec![Reason {
            why: why.to_owned(),
            count,
        }]
    }

    /// A run in which everything went wrong a little.
    pub(crate) fn sample() -> Report {
        let percentiles = Percentiles {
            p50: 0.25,
            p90: 1.5,
            p99: 25.0,
            p999: 250.0,
            max: 2_500.0,
        };
        Report {
            url: "http://host/events".to_owned(),
            publish_url: "http://host/send".to_owned(),
            settings: Settings {
                subscribers: 30_000,
                rate: Some(0.5),
                publishers: 64,
                duration_s: 10.0,
                size: 100,
                topic: "bench".to_owned(),
                topics: 2,
                threads: 1,
            },
            ended_early: true,
            subscribers: Subscribers {
                asked: 30_000,
                opened: 19_900,
                opening_s: 1.5,
                not_opened: reason("connection refused", 10_100),
                cut: reason("the stream was cut", 2),
            },
            events: Events {
                published: 5,
                per_second: 0.5,
                refused: reason("the server answered 503 Service Unavailable", 1),
                unanswered: reason("no answer in time", 3),
            },
            deliveries: Deliveries {
                expected: 99_500,
                delivered: 99_400,
                per_second: 9_940.0,
                missing: 100,
                duplicated: 0,
                out_of_order: 7,
                unasked: 1,
                unacknowledged: 0,
            },
            latency_ms: Latencies {
                arrival: Some(percentiles),
                last: None,
                answer: Some(percentiles),
            },
            server: Some(Server {
                pids: vec![7, 8],
                connect_us_per_subscriber: Some(40.0),
                user_us_per_delivery: Some(1.5),
                system_us_per_delivery: Some(6.0),
                cores: Some(0.75),
                memory_bytes_before: 0,
                memory_bytes_idle: 0,
                memory_bytes_at_end: 30 << 20,
                memory_bytes_per_subscriber: Some(1_536.0),
            }),
            client: Client {
                cpu_us_per_delivery: None,
                cores: None,
                memory_bytes: None,
            },
            timeline: Vec::new(),
        }
    }

    #[test]
    fn what_failed_is_said_in_one_line_and_what_is_worse_comes_first() {
        let mut report = sample();
        let failure = |report: &Report| report.failure().unwrap_or_default();
        assert_eq!(failure(&report), "deliveries: 100 missing, 7 out of order");
        (report.deliveries.missing, report.deliveries.out_of_order) = (0, 0);
        assert_eq!(report.failure(), None);
        report.events.published = 0;
        let refused = "nothing could be published: the server answered 503 Service Unavailable";
        assert_eq!(failure(&report), refused);
        report.subscribers.opened = 0;
        assert_eq!(
            failure(&report),
            "nothing could be opened: connection refused"
        );
    }
}
