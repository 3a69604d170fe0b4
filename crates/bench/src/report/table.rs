//! The report as lines for a terminal.

use std::time::Duration;

use super::{Percentiles, Reason, Report, Server};
use crate::format::{bytes, count, millis, number, seconds};

/// The columns of a line: the name of its group, its own name, and the figures.
const GROUP_WIDTH: usize = 13;
const NAMES_WIDTH: usize = 25;
const CELL_WIDTH: usize = 11;

impl Report {
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.title(), String::new()];
        lines.extend(self.subscriber_lines());
        lines.extend(self.event_lines());
        lines.extend(self.delivery_lines());
        lines.extend(self.latency_lines());
        lines.extend(self.server.iter().flat_map(Server::lines));
        lines.extend(self.client_line());
        lines
    }

    pub(crate) fn title(&self) -> String {
        format!("{}: {}", self.url, self.settings_line())
    }

    pub(crate) fn settings_line(&self) -> String {
        let settings = &self.settings;
        let rate = match settings.rate {
            Some(rate) => format!("{rate} events/s"),
            None => format!(
                "as fast as responses come over {}",
                count(settings.publishers)
            ),
        };
        let topics = match settings.topics {
            1 => String::new(),
            topics => format!(", {} topics", count(topics)),
        };
        let early = if self.ended_early {
            ", ended early"
        } else {
            ""
        };
        format!(
            "{} subscribers, {rate}, {} bytes{topics}, {}{early}",
            count(settings.subscribers),
            count(settings.size),
            seconds(Duration::from_secs_f64(settings.duration_s)),
        )
    }

    fn subscriber_lines(&self) -> Vec<String> {
        let of = &self.subscribers;
        let took = seconds(Duration::from_secs_f64(of.opening_s));
        let opened = format!("{} of {} in {took}", count(of.opened), count(of.asked));
        let mut lines = vec![line("subscribers", "opened", &opened)];
        lines.extend(reason_lines("not opened", &of.not_opened));
        lines.extend(reason_lines("cut", &of.cut));
        lines
    }

    fn event_lines(&self) -> Vec<String> {
        let of = &self.events;
        let published = format!(
            "{}, {} a second",
            count(of.published),
            number(of.per_second)
        );
        let mut lines = vec![line("events", "published", &published)];
        if of.refused.is_empty() {
            lines.push(line("", "refused", "0"));
        }
        lines.extend(reason_lines("refused", &of.refused));
        lines.extend(reason_lines("unanswered", &of.unanswered));
        lines
    }

    fn delivery_lines(&self) -> Vec<String> {
        let of = &self.deliveries;
        let delivered = format!(
            "{} of {}, {} a second",
            count(of.delivered),
            count(of.expected),
            number(of.per_second)
        );
        let mut lines = vec![
            line("deliveries", "delivered", &delivered),
            line("", "missing", &count(of.missing)),
            line("", "duplicated", &count(of.duplicated)),
            line("", "out of order", &count(of.out_of_order)),
        ];
        for (name, number) in [
            ("unasked", of.unasked),
            ("of no publish", of.unacknowledged),
        ] {
            if number > 0 {
                lines.push(line("", name, &count(number)));
            }
        }
        lines
    }

    fn latency_lines(&self) -> Vec<String> {
        let of = &self.latency_ms;
        let names =
            ["p50", "p90", "p99", "p99.9", "max"].map(|name| format!("{name:>CELL_WIDTH$}"));
        let mut lines = vec![line("latency", "", &names.concat())];
        for (name, percentiles) in self.latencies() {
            let cells = percentiles
                .cells()
                .map(|cell| format!("{cell:>CELL_WIDTH$}"));
            lines.push(line("", name, &cells.concat()));
        }
        if of.arrival.is_none() && of.answer.is_none() {
            lines.clear();
        }
        lines
    }

    pub(crate) fn latencies(&self) -> Vec<(&'static str, Percentiles)> {
        let of = &self.latency_ms;
        let all = [
            ("subscriber", of.arrival),
            ("last one", of.last),
            ("answer", of.answer),
        ];
        let measured = all.into_iter();
        measured
            .filter_map(|(name, of)| Some((name, of?)))
            .collect()
    }

    fn client_line(&self) -> Option<String> {
        let of = &self.client;
        let cpu = format!(
            "{} µs a delivery, {} cores",
            number(of.cpu_us_per_delivery?),
            number(of.cores?)
        );
        Some(line("this command", "CPU", &cpu))
    }
}

impl Percentiles {
    pub(crate) fn cells(self) -> [String; 5] {
        [self.p50, self.p90, self.p99, self.p999, self.max].map(millis)
    }
}

impl Server {
    fn lines(&self) -> Vec<String> {
        let pids: Vec<String> = self.pids.iter().map(ToString::to_string).collect();
        let mut lines = vec![line("server", "process", &pids.join(", "))];
        let rows = self.rows().into_iter();
        lines.extend(rows.map(|(name, text)| line("", name, &text)));
        lines
    }

    pub(crate) fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = Vec::new();
        if let Some(micros) = self.connect_us_per_subscriber {
            rows.push(("CPU to open", format!("{} µs a subscriber", number(micros))));
        }
        if let (Some(user), Some(system)) = (self.user_us_per_delivery, self.system_us_per_delivery)
        {
            let text = format!(
                "{} µs a delivery (user {}, system {})",
                number(user + system),
                number(user),
                number(system)
            );
            rows.push(("CPU", text));
        }
        if let Some(cores) = self.cores {
            rows.push(("busy", format!("{} cores", number(cores))));
        }
        if let Some(each) = self.memory_bytes_per_subscriber {
            #[allow(clippy::cast_precision_loss, reason = "no machine has so much")]
            let all = bytes(self.memory_bytes_at_end as f64);
            rows.push((
                "memory",
                format!("{} a subscriber, {all} at the end", bytes(each)),
            ));
        }
        rows
    }
}

fn line(group: &str, name: &str, text: &str) -> String {
    let names = format!("{group:GROUP_WIDTH$}{name}");
    format!("{names:NAMES_WIDTH$} {text}").trim_end().to_owned()
}

fn reason_lines(name: &str, reasons: &[Reason]) -> Vec<String> {
    let line = |Reason { why, count: times }: &Reason| {
        line("", name, &format!("{}: {why}", count(*times)))
    };
    reasons.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use crate::report::tests::sample;

    const TABLE: &str = "\
http://host/events: 30,000 subscribers, 0.5 events/s, 100 bytes, 2 topics, 10.0 s, ended early

subscribers  opened       19,900 of 30,000 in 1.50 s
             not opened   10,100: connection refused
             cut          2: the stream was cut
events       published    5, 0.500 a second
             refused      1: the server responded 503 Service Unavailable
             unanswered   3: no response in time
deliveries   delivered    99,400 of 99,500, 9,940 a second
             missing      100
             duplicated   0
             out of order 7
             unasked      1
latency                           p50        p90        p99      p99.9        max
             subscriber        250 µs    1.50 ms    25.0 ms     250 ms     2.50 s
             answer            250 µs    1.50 ms    25.0 ms     250 ms     2.50 s
server       process      7, 8
             CPU to open  40.0 µs a subscriber
             CPU          7.50 µs a delivery (user 1.50, system 6.00)
             busy         0.750 cores
             memory       1.50 KiB a subscriber, 30.0 MiB at the end";

    #[test]
    fn the_table_holds_all_figures_and_no_line_without_one() {
        assert_eq!(sample().lines().join("\n"), TABLE);
    }
}
