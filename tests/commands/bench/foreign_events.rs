//! A server with events of other topics, which a run could push out of its history.

use std::io::{Read as _, Write as _};

use super::{SHORT, bench, number, report};
use crate::{
    support::terminal::Terminal,
    support::{Server, command},
};

fn with_order() -> (Server, String) {
    let server = Server::start(&[]);
    server.publish("orders", "order 1");
    let url = format!("http://{}", server.address);
    (server, url)
}

/// What is kept of the orders.
fn orders(server: &Server) -> Vec<String> {
    server
        .subscribe("/events?topic=orders&since=earliest")
        .data(1)
}

#[test]
fn events_of_other_topics_are_not_pushed_out_without_confirmation() {
    let (server, url) = with_order();
    let line = bench(&url, &SHORT).failed(2);
    assert!(
        line.contains("(orders)") && line.contains("--yes"),
        "{line}"
    );
    assert_eq!(server.metric("published_events_total"), 1);
    assert_eq!(orders(&server), ["order 1"]);
    let with_path = format!("{url}/events");
    assert!(bench(&with_path, &SHORT).failed(2).contains("--yes"));
}

#[test]
fn with_yes_a_run_publishes_up_to_a_bound() {
    let (server, url) = with_order();
    let max = [
        "--yes",
        "--subscribers",
        "2",
        "--rate",
        "max",
        "--duration",
        "10m",
    ];
    let (report, ended) = report(&url, &[&max[..], &["--max-events", "300"]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.complaints[0].contains("ended after 300 events"),
        "{ended:?}"
    );
    assert_eq!(number(&report, "/events/published"), 300);
    assert_eq!(number(&report, "/deliveries/missing"), 0);
    assert_eq!(orders(&server), ["order 1"]);
    // Without a bound of its own, it has one.
    let (_, ended) = super::report(&url, &max);
    assert!(
        ended.complaints[0].contains("ended after 10,000 events"),
        "{ended:?}"
    );
}

#[test]
fn events_of_earlier_runs_need_no_confirmation() {
    let server = Server::start(&[]);
    let url = format!("http://{}", server.address);
    bench(&url, &SHORT).succeeded();
    bench(&url, &[&SHORT[..], &["--topics", "3"]].concat()).succeeded();
    bench(&url, &SHORT).succeeded();
}

#[test]
fn on_a_terminal_bench_asks_for_confirmation_before_it_publishes() {
    let (server, url) = with_order();
    for (response, published) in [("n", 0), ("", 0), ("y", 20)] {
        let before = server.metric("published_events_total");
        let terminal = Terminal::open();
        let mut child = command(&[&["bench", "--url", &url], &SHORT[..]].concat());
        child
            .stdin(terminal.end())
            .stdout(terminal.end())
            .stderr(terminal.end());
        let started = child.spawn().unwrap();
        drop(child);
        let mut master = terminal.master().try_clone().unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"[y/N] ") {
            let mut byte = [0];
            master.read_exact(&mut byte).unwrap();
            asked.push(byte[0]);
        }
        assert!(String::from_utf8(asked).unwrap().contains("(orders)"));
        writeln!(master, "{response}").unwrap();
        drop(master);
        terminal.read(started);
        let now = server.metric("published_events_total");
        // Those that warm up come before them.
        assert!(
            now - before >= published && (published > 0 || now == before),
            "{response}"
        );
    }
}
