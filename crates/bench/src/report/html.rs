//! The report as one HTML page, which loads nothing from anywhere.

use std::{
    fmt::Write as _,
    fs::{File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Moment, Percentiles, Reason, Report,
    plots::{self, Column, Curve},
};
use crate::format::{bytes, count, millis, number, seconds};
use sse_broadcaster_cli::Failure;

const STYLE: &str = include_str!("page.css");

/// The file of the page. It is opened before the run, so that a path that cannot be written is reported before
/// the run.
#[derive(Debug)]
pub(crate) struct Page {
    path: PathBuf,
    file: File,
}

impl Page {
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(path);
        let file =
            file.map_err(|error| Failure::usage(format!("--html {}: {error}", path.display())))?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    pub(crate) fn write(mut self, report: &Report) -> Result<(), Failure> {
        let page = page(report);
        let written = self.file.set_len(0);
        let written = written.and_then(|()| self.file.write_all(page.as_bytes()));
        written.map_err(|error| Failure::new(format!("{}: {error}", self.path.display())))
    }
}

fn page(report: &Report) -> String {
    let title = escape(&report.title());
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>What {url} carries</h1>\n<p>{settings}</p>\n{tiles}{charts}{tables}\
         <footer>sse-broadcaster {version} bench</footer>\n</main>\n</body>\n</html>\n",
        url = escape(&report.url),
        settings = escape(&report.settings_line()),
        tiles = tiles(report),
        charts = charts(report),
        tables = tables(report),
        version = env!("CARGO_PKG_VERSION"),
    )
}

fn tiles(report: &Report) -> String {
    let wrong = |number: u64| if number > 0 { " bad" } else { "" };
    let deliveries = &report.deliveries;
    let mut tiles = String::from("<section class=\"tiles\">\n");
    let mut tile = |class: &str, figure: &str, name: &str| {
        let _ = writeln!(
            tiles,
            "<div class=\"tile{class}\"><b>{figure}</b><span>{name}</span></div>"
        );
    };
    tile("", &number(deliveries.per_second), "deliveries a second");
    tile(
        "",
        &number(report.events.per_second),
        "events published a second",
    );
    if let Some(arrival) = report.latency_ms.arrival {
        tile("", &millis(arrival.p50), "median to a subscriber");
        tile("", &millis(arrival.p99), "99 % arrive within");
    }
    tile(
        wrong(deliveries.missing),
        &count(deliveries.missing),
        "missing",
    );
    let wrong_order = deliveries.duplicated + deliveries.out_of_order;
    tile(
        wrong(wrong_order),
        &count(wrong_order),
        "duplicated or out of order",
    );
    if let Some(server) = &report.server {
        if let (Some(user), Some(system)) =
            (server.user_us_per_delivery, server.system_us_per_delivery)
        {
            tile(
                "",
                &format!("{} µs", number(user + system)),
                "server CPU a delivery",
            );
        }
        if let Some(each) = server.memory_bytes_per_subscriber {
            tile("", &bytes(each), "server memory a subscriber");
        }
    }
    tiles.push_str("</section>\n");
    tiles
}

fn charts(report: &Report) -> String {
    let moments = &report.timeline;
    if moments.is_empty() {
        return String::new();
    }
    let columns: Vec<Column> = moments.iter().map(column).collect();
    let of = |name, class, value: fn(Percentiles) -> f64| Curve {
        name,
        class,
        values: moments
            .iter()
            .map(|moment| moment.arrival_ms.map(value))
            .collect(),
    };
    let curves = [
        of("median", "p50", |at| at.p50),
        of("90 %", "p90", |at| at.p90),
        of("99 %", "p99", |at| at.p99),
        of("slowest", "max", |at| at.max),
    ];
    let figures = |value: fn(&Moment) -> f64| moments.iter().map(value).collect::<Vec<_>>();
    format!(
        "<section class=\"charts\">\n\
         <figure class=\"wide\"><h2>From publish to arrival</h2>{}</figure>\n\
         <figure><h2>Deliveries a second</h2>{}</figure>\n\
         <figure><h2>Events published a second</h2>{}</figure>\n</section>\n",
        plots::curves(&columns, &curves),
        plots::bars(&columns, &figures(|at| at.delivered_per_second)),
        plots::bars(&columns, &figures(|at| at.published_per_second)),
    )
}

fn column(moment: &Moment) -> Column {
    let mut title = format!(
        "at {}: {} delivered and {} published a second",
        seconds(Duration::from_secs_f64(moment.at_s)),
        number(moment.delivered_per_second),
        number(moment.published_per_second),
    );
    if let Some(at) = moment.arrival_ms {
        let [p50, p90, p99, _, max] = at.cells();
        let _ = write!(
            title,
            "; median {p50}, 90 % {p90}, 99 % {p99}, slowest {max}"
        );
    }
    Column {
        at_s: moment.at_s,
        title,
    }
}

fn tables(report: &Report) -> String {
    let mut latencies = String::new();
    for (name, percentiles) in report.latencies() {
        let cells = percentiles.cells().map(|cell| format!("<td>{cell}</td>"));
        let name = match name {
            "subscriber" => "to a subscriber",
            "last one" => "to the last subscriber",
            _ => "to the response",
        };
        let _ = writeln!(latencies, "<tr><td>{name}</td>{}</tr>", cells.concat());
    }
    let mut tables = String::from("<section class=\"tables\">\n");
    if !latencies.is_empty() {
        let names = ["From publish", "p50", "p90", "p99", "p99.9", "max"];
        let names = names.map(|name| format!("<th>{name}</th>")).concat();
        let _ = writeln!(
            tables,
            "<div class=\"table wide\"><h2>Latency</h2><table><thead><tr>{names}</tr></thead><tbody>\n\
             {latencies}</tbody></table></div>"
        );
    }
    facts(&mut tables, "Counts", &counts(report));
    if let Some(server) = &report.server {
        let pids: Vec<String> = server.pids.iter().map(ToString::to_string).collect();
        let mut rows = vec![("process", pids.join(", "))];
        rows.extend(server.rows());
        facts(&mut tables, "Server", &rows);
    }
    facts(&mut tables, "Settings", &settings(report));
    tables.push_str("</section>\n");
    tables
}

fn facts(page: &mut String, title: &str, rows: &[(&str, String)]) {
    let row = |(name, value): &(&str, String)| {
        format!("<tr><td>{name}</td><td>{}</td></tr>\n", escape(value))
    };
    let rows: String = rows.iter().map(row).collect();
    let _ = writeln!(
        page,
        "<div class=\"table\"><h2>{title}</h2><table class=\"facts\"><tbody>\n{rows}</tbody></table></div>"
    );
}

fn counts(report: &Report) -> Vec<(&'static str, String)> {
    let (subscribers, events) = (&report.subscribers, &report.events);
    let of = &report.deliveries;
    let opened = format!(
        "{} of {}",
        count(subscribers.opened),
        count(subscribers.asked)
    );
    let mut rows = vec![("opened", opened)];
    let reasons = |rows: &mut Vec<_>, name, reasons: &[Reason]| {
        let text = |reason: &Reason| format!("{}: {}", count(reason.count), reason.why);
        rows.extend(reasons.iter().map(|reason| (name, text(reason))));
    };
    reasons(&mut rows, "not opened", &subscribers.not_opened);
    reasons(&mut rows, "cut", &subscribers.cut);
    rows.push(("published", count(events.published)));
    reasons(&mut rows, "refused", &events.refused);
    reasons(&mut rows, "unanswered", &events.unanswered);
    rows.push((
        "delivered",
        format!("{} of {}", count(of.delivered), count(of.expected)),
    ));
    rows.push(("missing", count(of.missing)));
    rows.push(("duplicated", count(of.duplicated)));
    rows.push(("out of order", count(of.out_of_order)));
    rows
}

fn settings(report: &Report) -> Vec<(&'static str, String)> {
    let of = &report.settings;
    let rate = of
        .rate
        .map_or("as fast as responses come".to_owned(), |rate| {
            format!("{rate} events/s")
        });
    vec![
        ("server", report.url.clone()),
        ("published to", report.publish_url.clone()),
        ("subscribers", count(of.subscribers)),
        ("rate", rate),
        ("publishing connections", count(of.publishers)),
        ("data", format!("{} bytes", count(of.size))),
        ("topic", of.topic.clone()),
        ("topics", count(of.topics)),
        ("duration", seconds(Duration::from_secs_f64(of.duration_s))),
        ("reading threads", count(of.threads)),
    ]
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
