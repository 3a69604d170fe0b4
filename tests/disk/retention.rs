//! What a log on disk drops, while the server runs and over restarts.

use crate::{
    disk::log::{Feed, Log, publish_lines, replay},
    support::shim::ahead,
    support::{Server, wait_until},
};

/// What one event of this much data costs, as `--history-bytes` counts it.
fn cost(data_bytes: usize) -> usize {
    256 + 2 * data_bytes
}

fn publish(server: &Server, numbers: std::ops::Range<usize>, bytes: usize) {
    let data = numbers.map(|number| format!("{number:<bytes$}"));
    publish_lines(server, "/events", data);
}

/// The numbers that are held, which go on without a hole.
fn held(server: &Server) -> std::ops::Range<usize> {
    let held = replay(server);
    let number = |data: &str| data.trim().parse::<usize>().unwrap();
    let (Some((_, first)), Some((_, last))) = (held.first(), held.last()) else {
        return 0..0;
    };
    let range = number(first)..number(last) + 1;
    let numbers: Vec<_> = held.iter().map(|(_, data)| number(data)).collect();
    assert_eq!(numbers, range.clone().collect::<Vec<_>>());
    range
}

#[test]
fn the_oldest_events_are_dropped_when_there_are_too_many() {
    const MOST: usize = 1_000;
    let log = Log::new();
    let args = ["--history-events", "1000", "--window-events", "50"];
    let server = log.start(&args);
    for part in 0..5 {
        publish(&server, part * 700..(part + 1) * 700, 10);
        wait_until("retention has come along", || {
            server.metric("history_events") <= MOST as u64
        });
    }
    assert_eq!(held(&server), 2_500..3_500);
    drop(server);
    let server = log.start(&args);
    assert_eq!(held(&server), 2_500..3_500, "and it stays so");
    publish(&server, 3_500..3_501, 10);
    wait_until("it is dropped", || held(&server) == (2_501..3_501));
}

#[test]
fn the_oldest_events_are_dropped_when_they_are_too_large() {
    const EVENTS: usize = 400;
    let log = Log::new();
    let most = EVENTS * cost(1_000);
    let (bytes, window) = (most.to_string(), (most / 8).to_string());
    let args = [
        "--history-bytes",
        &bytes,
        "--window-bytes",
        &window,
        "--max-event-bytes",
        "4096",
    ];
    let server = log.start(&args);
    for part in 0..4 {
        publish(&server, part * 300..(part + 1) * 300, 1_000);
    }
    wait_until("retention has come along", || {
        server.metric("history_bytes") <= most as u64
    });
    let kept = held(&server);
    assert_eq!(kept.end, 1_200);
    // Topics and names count a little too.
    assert!((EVENTS * 9 / 10..=EVENTS).contains(&kept.len()), "{kept:?}");
}

#[test]
fn the_oldest_events_are_dropped_when_they_are_too_old_also_when_nothing_is_published() {
    let log = Log::new();
    drop(log.start(&[]));
    let server = log.start(&["--window-events", "16"]);
    publish(&server, 0..100, 10);
    drop(server);
    let server = Server::spawn(ahead(
        log.command(&["--history-age", "1h", "--window-events", "16"]),
        3_590,
    ));
    assert_eq!(held(&server), 0..100);
    assert_eq!(server.metric("history_events"), 100);
    drop(server);
    let server = Server::spawn(ahead(log.command(&["--history-age", "1h"]), 3_700));
    wait_until("all is dropped", || server.metric("history_events") == 0);
    assert_eq!(held(&server), 0..0);
}

#[test]
fn events_that_grow_too_old_are_dropped_while_the_server_runs() {
    let log = Log::new();
    let server = log.start(&["--history-age", "2s", "--ping-interval", "500ms"]);
    let mut stream = server.subscribe("/events?topic=*");
    stream.until("connected");
    publish(&server, 0..20, 10);
    assert_eq!(stream.data(20).len(), 20, "whoever was there saw them");
    wait_until("all is dropped", || server.metric("history_events") == 0);
}

#[test]
fn a_lowered_retention_bound_is_applied_to_the_existing_log() {
    let log = Log::new();
    publish(&log.start(&[]), 0..6_000, 10);
    let server = log.start(&["--history-events", "100"]);
    wait_until("it has come along", || {
        server.metric("history_events") == 100
    });
    assert_eq!(held(&server), 5_900..6_000);
}

#[test]
fn a_resume_after_a_dropped_event_is_sent_a_gap_and_continues_at_the_oldest() {
    let log = Log::new();
    let args = ["--history-events", "100", "--window-events", "20"];
    let server = log.start(&args);
    let ids: Vec<_> = (0..20)
        .map(|number| server.publish("default", &number.to_string()))
        .collect();
    for part in 1..15 {
        publish(&server, part * 20..(part + 1) * 20, 4);
    }
    wait_until("retention has come along", || {
        server.metric("history_events") == 100
    });
    let is_told = |server: &Server| {
        let mut feed = Feed::open(server.address, "topic=*", &ids[5]).unwrap();
        let (name, _, data) = feed.next().unwrap();
        assert_eq!(name, "gap");
        assert!(data.contains(&ids[5]), "{data}");
        assert_eq!(feed.next().unwrap().0, "connected");
        assert_eq!(feed.next().unwrap().2.trim(), "200", "the oldest");
    };
    is_told(&server);
    drop(server);
    is_told(&log.start(&args));
}
