//! Events that have become unreadable in the middle of a log: a gap, logged once, and dropped.

use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use crate::{
    disk::log::{Feed, Log, Publisher, publish_lines},
    support::{Server, wait_until},
};

/// So that most events are in tables.
const EVENTS: usize = 9_500;
const BYTES: usize = 1_000;
const ARGS: [&str; 6] = [
    "--window-events",
    "100",
    "--cache-bytes",
    "0",
    "--replay-bytes-per-second",
    "0",
];

fn data(number: usize) -> String {
    format!("event {number:06} {}", "x".repeat(BYTES))
}

fn number(data: &str) -> usize {
    data[6..12].parse().expect("a number")
}

fn idempotency_key(number: usize) -> String {
    format!("own-{number:06}")
}

/// Events with own ids, half of them on each of two topics.
fn fill(server: &Server) {
    let mut publisher = Publisher::connect(server.address).unwrap();
    for part in 0..EVENTS / 500 {
        let line = |number: usize| {
            let topic = ["even", "odd"][number % 2];
            let event = serde_json::json!({
                "topic": topic, "data": data(number), "id": idempotency_key(number),
            });
            event.to_string() + "\n"
        };
        let lines: String = (part * 500..(part + 1) * 500).map(line).collect();
        let kind = "application/x-ndjson";
        let (status, said) = publisher.post("/events", kind, &lines).unwrap();
        assert_eq!(status, 200, "{said}");
    }
}

fn tables(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tables(&path));
        } else if path
            .parent()
            .is_some_and(|parent| parent.ends_with("tables"))
        {
            found.push(path);
        }
    }
    found
}

/// Flips a bit right behind the first place where a table holds this text; returns the file.
fn damage(log: &Log, text: &str) -> PathBuf {
    for path in tables(&log.path()) {
        let bytes = fs::read(&path).unwrap();
        let found = bytes
            .windows(text.len())
            .position(|part| part == text.as_bytes());
        let Some(at) = found.map(|at| at + text.len()) else {
            continue;
        };
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(&[bytes[at] ^ 1], at as u64).unwrap();
        return path;
    }
    panic!("no table holds {text}");
}

/// A closed log whose events are in tables.
fn a_log() -> Log {
    let log = Log::new();
    let server = log.start(&[&ARGS[..], &["--sync", "never"]].concat());
    fill(&server);
    wait_for_table(&log, 5_000);
    drop(server);
    log
}

/// Waits until an event is in a table.
fn wait_for_table(log: &Log, number: usize) {
    let text = &data(number)[..12];
    wait_until("a table is written", || {
        tables(&log.path()).iter().any(|path| {
            let bytes = fs::read(path).unwrap_or_default();
            bytes.windows(12).any(|part| part == text.as_bytes())
        })
    });
}

struct Read {
    numbers: Vec<usize>,
    gaps: usize,
}

fn read(server: &Server, query: &str) -> Read {
    let mut feed = Feed::open(server.address, &format!("{query}&until=head"), "").unwrap();
    let events = feed.up_to_head();
    let numbers: Vec<_> = events.iter().map(|(_, data)| number(data)).collect();
    assert!(
        numbers.is_sorted_by(|one, next| one < next),
        "in order, once"
    );
    Read {
        numbers,
        gaps: feed.gaps,
    }
}

/// One block of 4 KiB and what its neighbours share with it.
fn assert_few_lost(found: &Read, of: usize, damaged: usize) {
    let lost = of - found.numbers.len();
    assert!((1..=16).contains(&lost), "{lost} are lost");
    assert!(!found.numbers.contains(&damaged));
    assert_eq!(found.gaps, 1);
}

fn count(server: &mut Server, text: &str) -> usize {
    server.log().matches(text).count()
}

#[test]
fn unreadable_events_are_skipped_with_one_gap_also_after_a_restart() {
    let log = a_log();
    let file = damage(&log, &data(500)[..12]);
    let mut server = log.start(&ARGS);
    let all = read(&server, "topic=*&since=earliest");
    assert_few_lost(&all, EVENTS, 500);
    server.wait_for_log("are lost: subscribers");
    let name = file.file_name().unwrap().to_str().unwrap().to_owned() + " is damaged";
    assert_eq!(count(&mut server, &name), 1, "{}", server.log());
    for _ in 0..3 {
        let even = read(&server, "topic=even&since=earliest");
        assert_eq!(even.gaps, 1, "on one topic too");
        assert!(
            even.numbers
                .iter()
                .eq(all.numbers.iter().filter(|n| **n % 2 == 0))
        );
    }
    // A client that stands right before them, among them, or behind them is no worse off.
    let before = all.numbers.iter().rposition(|n| *n < 500).unwrap();
    let ids: Vec<_> = {
        let query = "topic=*&since=earliest&until=head";
        let mut feed = Feed::open(server.address, query, "").unwrap();
        feed.up_to_head()
    };
    let ((ms, seq), _) = ids[before];
    let mut feed = Feed::open(server.address, "topic=*", &format!("{ms}-{seq}")).unwrap();
    let (name_of_first, _, _) = feed.next().unwrap();
    assert_eq!(name_of_first, "gap");
    let behind_gap = feed.last_id.clone();
    assert_eq!(feed.next().unwrap().0, "connected");
    assert_eq!(number(&feed.next().unwrap().2), all.numbers[before + 1]);
    let mut feed = Feed::open(server.address, "topic=*", &behind_gap).unwrap();
    assert_eq!(feed.next().unwrap().0, "connected", "no second gap");
    assert_eq!(number(&feed.next().unwrap().2), all.numbers[before + 1]);
    server.publish("even", &data(EVENTS));
    drop(server);
    let mut server = log.start(&ARGS);
    let again = read(&server, "topic=*&since=earliest");
    assert_eq!(again.gaps, 1);
    assert_eq!(again.numbers[..all.numbers.len()], all.numbers);
    assert!(!server.log().contains("is damaged"), "{}", server.log());
}

#[test]
fn retention_drops_unreadable_events_and_publishing_continues() {
    let log = a_log();
    damage(&log, &data(1_000)[..12]);
    let mut server = log.start(&[&ARGS[..], &["--history-events", "5000"]].concat());
    let mut publisher = Publisher::connect(server.address).unwrap();
    for number in EVENTS..EVENTS + 500 {
        publisher.text("/events?topic=even", &data(number)).unwrap();
    }
    wait_until("retention has come along", || {
        server.metric("history_events") == 5_000
    });
    let all = read(&server, "topic=*&since=earliest");
    assert_eq!(all.gaps, 0, "what was lost is dropped");
    assert!(all.numbers.iter().copied().eq(EVENTS - 4_500..EVENTS + 500));
    assert_eq!(
        count(&mut server, "are lost: subscribers"),
        1,
        "{}",
        server.log()
    );
    assert!(count(&mut server, "is open again") <= 2, "{}", server.log());
}

#[test]
fn a_log_is_repaired_while_it_runs_and_streams_stay_open() {
    const MORE: usize = 4_000;
    let log = Log::new();
    let server = log.start(&[&ARGS[..], &["--history-events", "12000"]].concat());
    let mut feed = Feed::open(server.address, "topic=*", "").unwrap();
    let mut next = move || loop {
        let (name, _, data) = feed.next().unwrap();
        match &name[..] {
            "" => return number(&data),
            "gap" => panic!("an open stream loses nothing"),
            _ => {}
        }
    };
    fill(&server);
    assert!((0..EVENTS).all(|number| next() == number));
    wait_for_table(&log, 1_000);
    for number in [500, 700, 1_000] {
        damage(&log, &data(number)[..12]);
    }
    let reading =
        std::thread::spawn(move || (EVENTS..EVENTS + MORE).all(|number| next() == number));
    let mut publisher = Publisher::connect(server.address).unwrap();
    for number in EVENTS..EVENTS + MORE {
        publisher.text("/events?topic=even", &data(number)).unwrap();
    }
    wait_until("retention has come along", || {
        server.metric("history_events") == 12_000
    });
    let all = read(&server, "topic=*&since=earliest");
    assert_eq!(all.gaps, 0);
    assert!(
        all.numbers
            .iter()
            .copied()
            .eq(EVENTS + MORE - 12_000..EVENTS + MORE)
    );
    assert!(reading.join().unwrap());
}

#[test]
fn a_damaged_index_of_idempotency_keys_is_rebuilt_and_no_publish_is_rejected() {
    let log = a_log();
    // In the index alone an o stands before them.
    for number in ["oown-0001", "oown-0040"] {
        damage(&log, number);
    }
    let mut server = log.start(&ARGS);
    let mut publisher = Publisher::connect(server.address).unwrap();
    for number in (0..EVENTS).step_by(10) {
        let path = format!("/events?topic=even&id={}", idempotency_key(number));
        let (status, said) = publisher.post(&path, "text/plain", &data(number)).unwrap();
        assert_eq!(status, 200, "{said}");
    }
    let all = read(&server, "topic=*&since=earliest");
    assert!(
        all.numbers.iter().copied().eq(0..EVENTS),
        "none is stored twice"
    );
    assert_eq!(all.gaps, 0);
    assert!(count(&mut server, "is open again") <= 2, "{}", server.log());
}

#[test]
fn a_damaged_index_of_topics_hides_no_event() {
    let log = a_log();
    // The keys of an index block have their beginning in common: it stands once a block.
    let file = damage(&log, "todd\0");
    let server = log.start(&ARGS);
    for (topic, first) in [("even", 0), ("odd", 1)] {
        let found = read(&server, &format!("topic={topic}&since=earliest"));
        let all = (first..EVENTS).step_by(2);
        let is_all = found.numbers.iter().copied().eq(all);
        assert!(is_all, "{topic} in {}", file.display());
    }
    publish_lines(&server, "/events?topic=odd", [data(EVENTS)]);
    let odd = read(&server, "topic=odd&last=2");
    assert_eq!(odd.numbers, [EVENTS - 1, EVENTS]);
}
