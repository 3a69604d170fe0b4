//! The report of a run. `--json` prints its fields by their names, which therefore stay.

mod build;
mod html;
mod plots;
mod table;

use serde::Serialize;

pub(crate) use self::html::Page;
use crate::format::count;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) url: String,
    pub(crate) publish_url: String,
    pub(crate) settings: Settings,
    /// The user ended the run before its time.
    pub(crate) ended_early: bool,
    pub(crate) subscribers: Subscribers,
    pub(crate) events: Events,
    pub(crate) deliveries: Deliveries,
    pub(crate) latency_ms: Latencies,
    pub(crate) server: Option<Server>,
    pub(crate) client: Client,
    pub(crate) timeline: Vec<Moment>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Settings {
    pub(crate) subscribers: u64,
    /// Events a second; `None` as fast as responses come.
    pub(crate) rate: Option<f64>,
    pub(crate) publishers: u64,
    pub(crate) duration_s: f64,
    pub(crate) size: u64,
    pub(crate) topic: String,
    pub(crate) topics: u64,
    pub(crate) threads: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Reason {
    pub(crate) why: String,
    pub(crate) count: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Subscribers {
    pub(crate) asked: u64,
    pub(crate) opened: u64,
    pub(crate) opening_s: f64,
    pub(crate) not_opened: Vec<Reason>,
    /// Streams that ended while the run went on.
    pub(crate) cut: Vec<Reason>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Events {
    /// Accepted by the server.
    pub(crate) published: u64,
    pub(crate) per_second: f64,
    pub(crate) refused: Vec<Reason>,
    /// There was no response: whether they were accepted is unknown.
    pub(crate) unanswered: Vec<Reason>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Deliveries {
    /// One for each accepted event and subscriber of its topic.
    pub(crate) expected: u64,
    pub(crate) delivered: u64,
    pub(crate) per_second: f64,
    pub(crate) missing: u64,
    pub(crate) duplicated: u64,
    pub(crate) out_of_order: u64,
    /// Of a topic that the subscriber has not subscribed to.
    pub(crate) unasked: u64,
    /// Of events that were rejected, or whose outcome is unknown.
    pub(crate) unacknowledged: u64,
}

/// `None` where nothing was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Latencies {
    /// From publish to the arrival at a subscriber.
    pub(crate) arrival: Option<Percentiles>,
    /// From publish to the arrival at the last subscriber of an event.
    pub(crate) last: Option<Percentiles>,
    /// From publish to its response.
    pub(crate) answer: Option<Percentiles>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Server {
    pub(crate) pids: Vec<u32>,
    pub(crate) connect_us_per_subscriber: Option<f64>,
    pub(crate) user_us_per_delivery: Option<f64>,
    pub(crate) system_us_per_delivery: Option<f64>,
    /// How many cores it kept busy while events were published.
    pub(crate) cores: Option<f64>,
    pub(crate) memory_bytes_before: u64,
    pub(crate) memory_bytes_idle: u64,
    pub(crate) memory_bytes_at_end: u64,
    pub(crate) memory_bytes_per_subscriber: Option<f64>,
}

/// What the load tester itself used.
#[derive(Debug, Serialize)]
pub(crate) struct Client {
    pub(crate) cpu_us_per_delivery: Option<f64>,
    pub(crate) cores: Option<f64>,
    pub(crate) memory_bytes: Option<u64>,
}

/// One step of the time in which events were published.
#[derive(Debug, Serialize)]
pub(crate) struct Moment {
    pub(crate) at_s: f64,
    pub(crate) published_per_second: f64,
    pub(crate) delivered_per_second: f64,
    pub(crate) arrival_ms: Option<Percentiles>,
}

impl Report {
    /// Why the run has failed, if it has.
    pub(crate) fn failure(&self) -> Option<String> {
        let Deliveries {
            missing,
            duplicated,
            out_of_order,
            ..
        } = self.deliveries;
        let rejection = self
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
            let why = rejection.map_or("ended early", |reason| &reason.why);
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
pub(crate) mod tests {
    use super::*;

    fn reason(why: &str, count: u64) -> Vec<Reason> {
        vec![Reason {
            why: why.to_owned(),
            count,
        }]
    }

    /// A run in which some of everything failed.
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
                refused: reason("the server responded 503 Service Unavailable", 1),
                unanswered: reason("no response in time", 3),
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
    fn a_failure_is_one_line_and_the_worst_reason_comes_first() {
        let mut report = sample();
        let failure = |report: &Report| report.failure().unwrap_or_default();
        assert_eq!(failure(&report), "deliveries: 100 missing, 7 out of order");
        (report.deliveries.missing, report.deliveries.out_of_order) = (0, 0);
        assert_eq!(report.failure(), None);
        report.events.published = 0;
        let rejected = "nothing could be published: the server responded 503 Service Unavailable";
        assert_eq!(failure(&report), rejected);
        report.subscribers.opened = 0;
        assert_eq!(
            failure(&report),
            "nothing could be opened: connection refused"
        );
    }
}
