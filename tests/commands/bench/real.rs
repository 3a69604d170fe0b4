//! `bench` against the real server.

use std::{fs, process::Command};

use serde_json::Value;

use super::{SHORT, arguments, assert_nothing_is_wrong, bench, number, report};
use crate::{
    commands::running::Running,
    support::{Server, command, wait_until},
};

fn url(server: &Server) -> String {
    format!("http://{}", server.address)
}

#[test]
fn every_delivery_is_counted_and_its_latency_measured() {
    let server = Server::start(&[]);
    let (report, ended) = report(&url(&server), &SHORT);
    ended.succeeded();
    assert_nothing_is_wrong(&report);
    assert_eq!(number(&report, "/subscribers/opened"), 7);
    assert_eq!(number(&report, "/events/published"), 20);
    assert_eq!(number(&report, "/deliveries/delivered"), 140);
    for latency in ["arrival", "last", "answer"] {
        let of = |name: &str| report["latency_ms"][latency][name].as_f64().unwrap();
        let sorted = ["p50", "p90", "p99", "p999", "max"].map(of);
        assert!(sorted.is_sorted() && sorted[4] > 0.0, "{report}");
    }
    let of_steps = |name: &str| -> f64 {
        let steps = report["timeline"].as_array().unwrap().iter();
        steps.map(|step| step[name].as_f64().unwrap()).sum()
    };
    let (published, delivered) = (
        of_steps("published_per_second"),
        of_steps("delivered_per_second"),
    );
    assert!((delivered / published - 7.0).abs() < 1e-6, "{report}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_of_a_server_on_this_machine_is_found_and_measured() {
    let server = Server::start(&[]);
    let (report, _) = report(&url(&server), &SHORT);
    assert_eq!(report["server"]["pids"], serde_json::json!([server.pid()]));
    assert!(number(&report, "/server/memory_bytes_idle") > 0);
    assert!(
        report["server"]["user_us_per_delivery"].is_number(),
        "{report}"
    );
    let other = std::process::id().to_string();
    let args = [&SHORT[..], &["--pid", &other, "--json"]].concat();
    let ended = bench(&url(&server), &args);
    assert!(
        ended.output[0].contains(&format!("\"pids\":[{other}]")),
        "{ended:?}"
    );
}

#[test]
fn at_rate_max_over_many_topics_events_reach_the_subscribers_of_their_topic() {
    let server = Server::start(&[]);
    let args = [
        "--subscribers",
        "9",
        "--rate",
        "max",
        "--publishers",
        "4",
        "--topics",
        "3",
        "--topic",
        "load",
        "--size",
        "1000",
        "--duration",
        "500ms",
        "--threads",
        "2",
    ];
    let (report, ended) = report(&url(&server), &args);
    ended.succeeded();
    assert_nothing_is_wrong(&report);
    let published = number(&report, "/events/published");
    assert_eq!(number(&report, "/deliveries/delivered"), published * 3);
    assert_eq!(report["settings"]["rate"], Value::Null);
    let last = server.subscribe("/events?topic=load-3&last=1").event();
    assert!(
        server.metric("published_events_total") > published,
        "and those of the warm-up"
    );
    assert_eq!(last.expect("an event").data.len(), 1_000);
}

#[test]
fn the_table_shows_the_settings_and_the_results() {
    let server = Server::start(&[]);
    let lines = bench(&url(&server), &SHORT).succeeded();
    let table = lines.join("\n");
    assert!(
        lines[0].contains("7 subscribers, 100 events/s, 100 bytes"),
        "{table}"
    );
    for (name, text) in [
        ("opened", "7 of 7"),
        ("published", "20,"),
        ("refused", "0"),
        ("delivered", "140 of 140"),
        ("missing", "0"),
        ("duplicated", "0"),
        ("out of order", "0"),
        ("last one", "s"),
        ("answer", "s"),
    ] {
        let line = lines.iter().find(|line| line.contains(name));
        let line = line.unwrap_or_else(|| panic!("no {name}:\n{table}"));
        assert!(
            line.split(name).nth(1).unwrap().trim().contains(text),
            "{table}"
        );
    }
}

#[test]
fn the_html_report_loads_nothing_from_elsewhere() {
    let server = Server::start(&[]);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bench.html");
    fs::write(&file, "something older and longer".repeat(9_999)).unwrap();
    let args = ["--html", file.to_str().unwrap(), "--topic", "<b>&"];
    bench(&url(&server), &[&SHORT[..], &args].concat()).succeeded();
    let page = fs::read_to_string(&file).unwrap();
    assert!(
        page.starts_with("<!doctype html>") && page.ends_with("</html>\n"),
        "{page}"
    );
    assert_eq!(page.matches("<svg").count(), 3, "{page}");
    assert!(
        page.contains("&lt;b&gt;&amp;") && !page.contains("<b>&"),
        "{page}"
    );
    for outside in ["src=", "href=", "url(", "@import", "<script", "<link"] {
        assert!(!page.contains(outside), "{outside}: {page}");
    }
}

#[test]
fn the_publish_key_is_sent_and_a_401_is_reported_once() {
    let server = Server::start(&["--publish-key", "sesame-open-the-door"]);
    let (refused, ended) = report(&url(&server), &SHORT);
    let line = ended.failed(1);
    assert!(
        line.contains("401") && line.contains("--publish-key"),
        "{line}"
    );
    assert_eq!(number(&refused, "/events/published"), 0);
    assert_eq!(number(&refused, "/subscribers/opened"), 7);
    let with_key = [&SHORT[..], &["--publish-key", "sesame-open-the-door"]].concat();
    bench(&url(&server), &with_key).succeeded();
    let variable = [("SSE_BROADCASTER_PUBLISH_KEY", "sesame-open-the-door")];
    let address = url(&server);
    Running::start_with(&variable, &arguments(&address, &SHORT))
        .end()
        .succeeded();
}

#[test]
fn subscribers_over_the_servers_limit_are_reported_as_not_opened() {
    let server = Server::start(&["--max-subscribers", "4"]);
    let (report, ended) = report(&url(&server), &SHORT);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.complaints[0].contains("opened 4 of 7: "), "{ended:?}");
    assert_eq!(number(&report, "/subscribers/not_opened/0/count"), 3);
    assert_eq!(number(&report, "/deliveries/delivered"), 80);
    assert_nothing_is_wrong(&report);
}

#[test]
fn subscribers_over_the_limit_of_open_files_are_reported_with_how_to_raise_it() {
    let server = Server::start(&[]);
    let mut limited = Command::new("sh");
    let plain = command(&[]);
    limited
        .env_clear()
        .args(["-c", "ulimit -n 64; exec \"$@\"", "sh"])
        .arg(plain.get_program());
    let address = url(&server);
    limited.args(arguments(
        &address,
        &["--subscribers", "100", "--publishers", "4"],
    ));
    limited.args(["--rate", "100", "--duration", "200ms", "--json"]);
    let ended = Running::spawn(limited).end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let expected = "of 100: the limit of open files is 64; raise it with ulimit -n";
    assert!(ended.complaints[0].contains(expected), "{ended:?}");
    let report: Value = serde_json::from_str(&ended.output[0]).unwrap();
    let opened = number(&report, "/subscribers/opened");
    assert_eq!(
        opened + number(&report, "/subscribers/not_opened/0/count"),
        100
    );
    assert!(opened > 30, "{report}");
}

#[test]
fn a_signal_ends_a_run_early_with_a_report() {
    let server = Server::start(&[]);
    let address = url(&server);
    let args = [
        "--subscribers",
        "7",
        "--rate",
        "50",
        "--duration",
        "1h",
        "--json",
    ];
    let running = Running::start(&arguments(&address, &args));
    wait_until("the run is under way", || {
        server.metric("published_events_total") > 20
    });
    running.signal("-INT");
    let lines = running.end().succeeded();
    let report: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(report["ended_early"], true);
    assert_nothing_is_wrong(&report);
}

#[test]
fn two_runs_at_once_do_not_count_each_others_events() {
    let server = Server::start(&[]);
    let address = url(&server);
    let args = [&SHORT[..], &["--json"]].concat();
    let both = [(); 2].map(|()| Running::start(&arguments(&address, &args)));
    for running in both {
        let lines = running.end().succeeded();
        assert_nothing_is_wrong(&serde_json::from_str(&lines[0]).unwrap());
    }
}
