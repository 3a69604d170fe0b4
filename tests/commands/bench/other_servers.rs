//! Servers of another kind, servers that fail, and URLs that are no server.

use super::{
    SHORT, arguments, assert_nothing_is_wrong, bench, number,
    relay::{Fault, Relay},
    report,
};
use crate::{
    commands::fake_server::Fake,
    commands::running::{Running, run},
    support::{certificates, wait_until},
};

/// One publisher after the other, so that the order of all events is known.
const IN_TURN: [&str; 8] = [
    "--subscribers",
    "3",
    "--rate",
    "max",
    "--duration",
    "1s",
    "--publishers",
    "1",
];

#[test]
fn an_html_report_that_cannot_be_written_is_reported_before_the_run() {
    let ended = bench("http://127.0.0.1:1", &["--html", "/nowhere/bench.html"]);
    let line = ended.failed(2);
    assert!(line.contains("/nowhere/bench.html"), "{line}");
}

#[test]
fn a_second_signal_ends_the_run_without_a_report() {
    let relay = Relay::start(Fault::IsSilent(1));
    let address = relay.url();
    let mut running = Running::start(&arguments(&address, &["--duration", "1h"]));
    wait_until("the run is under way", || relay.events() > 0);
    running.signal_until_it_ends("-INT");
    let ended = running.end();
    assert_eq!(
        (ended.code, ended.output.len()),
        (Some(130), 0),
        "{ended:?}"
    );
}

#[test]
fn events_are_recognized_however_another_server_splits_and_wraps_them() {
    let relay = Relay::start(Fault::None);
    let other = Relay::start(Fault::None);
    let (report, ended) = report(&format!("{}/sse?room=1", relay.url()), &SHORT);
    ended.succeeded();
    assert_nothing_is_wrong(&report);
    assert_eq!(number(&report, "/deliveries/delivered"), 140);
    let requests = relay.requests();
    assert!(requests.contains(&"GET /sse?room=1&topic=bench HTTP/1.1".to_owned()));
    assert!(requests.contains(&"POST /sse?room=1&topic=bench HTTP/1.1".to_owned()));
    assert_eq!(other.events(), 0);
}

#[test]
fn events_may_be_published_elsewhere_and_without_a_topic() {
    let relay = Relay::start(Fault::None);
    let elsewhere = format!("{}/send", relay.url());
    let args = ["--publish-url", &elsewhere, "--topic", ""];
    bench(&relay.url(), &[&SHORT[..], &args].concat()).succeeded();
    let requests = relay.requests();
    assert!(
        requests.contains(&"GET /events HTTP/1.1".to_owned()),
        "{requests:?}"
    );
    assert!(
        requests.contains(&"POST /send HTTP/1.1".to_owned()),
        "{requests:?}"
    );
}

#[test]
fn an_event_that_nobody_got_is_missing_for_each_subscriber() {
    let relay = Relay::start(Fault::Drops(3));
    let (report, ended) = report(&relay.url(), &SHORT);
    assert_eq!(ended.failed(1), "deliveries: 7 missing");
    assert_eq!(number(&report, "/deliveries/missing"), 7);
    assert_eq!(number(&report, "/deliveries/delivered"), 133);
    assert_eq!(number(&report, "/deliveries/expected"), 140);
}

#[test]
fn an_event_that_came_twice_is_duplicated_and_delivered_once() {
    let relay = Relay::start(Fault::Doubles(3));
    let (report, ended) = report(&relay.url(), &SHORT);
    assert_eq!(ended.failed(1), "deliveries: 7 duplicated");
    assert_eq!(number(&report, "/deliveries/delivered"), 140);
}

#[test]
fn an_event_that_arrives_after_a_later_one_is_out_of_order() {
    let relay = Relay::start(Fault::Swaps(2));
    let (report, ended) = report(&relay.url(), &IN_TURN);
    assert_eq!(ended.failed(1), "deliveries: 3 out of order");
    assert_eq!(number(&report, "/deliveries/missing"), 0);
}

#[test]
fn streams_that_were_cut_are_reported_and_their_events_are_missing() {
    let relay = Relay::start(Fault::Cuts(11));
    let (report, ended) = report(&relay.url(), &SHORT);
    assert_eq!(ended.failed(1), "deliveries: 70 missing");
    assert_eq!(number(&report, "/subscribers/cut/0/count"), 7);
    assert_eq!(number(&report, "/subscribers/opened"), 7);
}

#[test]
fn rejected_publishes_are_grouped_by_reason_and_not_missing() {
    let relay = Relay::start(Fault::Refuses(6));
    let (report, ended) = report(&relay.url(), &SHORT);
    ended.succeeded();
    assert_nothing_is_wrong(&report);
    assert_eq!(number(&report, "/events/published"), 5);
    assert_eq!(number(&report, "/events/refused/0/count"), 15);
    let why = "the server responded 507 Insufficient Storage: there is no room (full)";
    assert_eq!(report["events"]["refused"][0]["why"], why);
}

#[test]
fn an_unreachable_server_is_reported_in_one_line() {
    let line = bench("http://127.0.0.1:1", &[]).failed(1);
    assert_eq!(line, "http://127.0.0.1:1/events: connection refused");
}

#[test]
fn a_response_that_is_no_event_stream_is_reported() {
    for (status, content_type, said) in [
        ("404 Not Found", "text/html", "404 Not Found"),
        ("200 OK", "text/html", "not an event stream"),
    ] {
        let fake = Fake::start();
        let address = fake.url();
        let running = Running::start(&arguments(&address, &["--subscribers", "1"]));
        // The first connection only asks whether anybody is there.
        drop((fake.connection(), fake.connection()));
        let list = fake.response("404 Not Found", "text/html", "x");
        assert!(list.target().starts_with("GET /topics?"), "{list:?}");
        fake.response(status, content_type, "x");
        let ended = running.end();
        assert!(
            ended.output.iter().any(|line| line.contains("0 of 1 in")),
            "{ended:?}"
        );
        let line = ended.failed(1);
        assert!(
            line.starts_with("nothing could be opened: ") && line.contains(said),
            "{line}"
        );
    }
}

#[test]
fn values_out_of_range_are_usage_errors() {
    for (args, said) in [
        (&["--rate", "fast"][..], "max"),
        (&["--subscribers", "0"], "--subscribers"),
        (&["--size", "44"], "--size"),
        (&["--duration", "10"], "a duration has a unit"),
        (&["--url", "ftp://host"], "--url"),
        (&["--publish-url", "ftp://host"], "--publish-url"),
        (&["--pid", "4294967295"], "--pid"),
    ] {
        let line = run(&[&["bench"], args].concat()).failed(2);
        assert!(line.contains(said), "{args:?}: {line}");
    }
}

#[test]
fn https_works_with_a_trusted_certificate_only() {
    let directory = tempfile::tempdir().unwrap();
    certificates::make(directory.path());
    let relay = Relay::start_with_tls(directory.path());
    let address = format!("https://localhost:{}", relay.address.port());
    let args = [&SHORT[..], &["--json"]].concat();
    let authority = directory.path().join("ca.pem");
    let trusting = [("SSL_CERT_FILE", authority.to_str().unwrap())];
    let lines = Running::start_with(&trusting, &arguments(&address, &args))
        .end()
        .succeeded();
    assert_nothing_is_wrong(&serde_json::from_str(&lines[0]).unwrap());
    let ended = bench(&address, &SHORT);
    let line = ended.failed(1);
    assert!(line.contains("the TLS connection failed"), "{line}");
}
