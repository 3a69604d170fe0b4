//! What a server finds after a restart: everything.

use sse_broadcaster::history::{
    Batch, History, Precondition, ReservationGuard, Retain, Retention, SyncPolicy,
};
use sse_broadcaster_disk as disk;
use sse_broadcaster_disk::Disk;

use crate::{
    disk::log::{Feed, Log, Publisher, id_of, publish_lines, replay},
    support::shim::ahead,
    support::{Server, wait_until},
};

const DAY: i64 = 86_400;

fn numbers(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}

fn publish_numbers(server: &Server, range: std::ops::Range<usize>) {
    publish_lines(server, "/events", numbers(range));
}

#[test]
fn ids_increase_over_restarts_also_when_the_clock_goes_back() {
    let log = Log::new();
    let mut last = (0, 0);
    for seconds in [0, DAY, 0, -DAY, 2 * DAY, 0] {
        let server = Server::spawn(ahead(log.command(&[]), seconds));
        for _ in 0..3 {
            let id = id_of(&server.publish("a", "x"));
            assert!(id > last, "{id:?} after {last:?}, {seconds} s ahead");
            last = id;
        }
    }
    assert_eq!(replay(&log.start(&[])).len(), 18);
}

#[test]
fn ids_increase_over_restarts_also_when_all_events_are_too_old() {
    let log = Log::new();
    let server = log.start(&[]);
    let ids = server.publish_all("a", numbers(0..10));
    drop(server);
    let server = Server::spawn(ahead(log.command(&["--history-age", "1h"]), DAY));
    wait_until("all is dropped", || server.metric("history_events") == 0);
    drop(server);
    let server = Server::spawn(ahead(log.command(&["--history-age", "1h"]), -DAY));
    assert_eq!(server.metric("history_events"), 0);
    let next = server.publish("a", "next");
    assert!(id_of(&next) > id_of(&ids[9]));
    // The last that was dropped is remembered: after it nothing is missing.
    let mut stream =
        server.subscribe_with("/events?topic=a", &format!("Last-Event-ID: {}", ids[9]));
    assert_eq!(stream.next().unwrap().name, "connected");
    assert_eq!(stream.data(1), ["next"]);
    let mut stream =
        server.subscribe_with("/events?topic=a", &format!("Last-Event-ID: {}", ids[8]));
    assert_eq!(stream.next().unwrap().name, "gap");
}

#[test]
fn a_subscriber_resumes_across_restarts_without_a_gap_or_a_repeat() {
    const EVENTS: usize = 400;
    let args = ["--window-events", "16"];
    let log = Log::new();
    let (mut last_id, mut seen) = (String::new(), Vec::new());
    for round in 0..4 {
        let server = log.start(&args);
        publish_numbers(&server, round * EVENTS / 4..(round + 1) * EVENTS / 4);
        let mut feed = Feed::open(server.address, "topic=*&since=earliest", &last_id).unwrap();
        // It leaves in the middle, except for the last time.
        let enough = (round + 1) * EVENTS / 4 - if round < 3 { 30 } else { 0 };
        while seen.len() < enough {
            let (name, _, data) = feed.next().unwrap();
            assert_ne!(name, "gap");
            if name.is_empty() {
                seen.push(data);
            }
        }
        last_id.clone_from(&feed.last_id);
    }
    assert_eq!(seen, numbers(0..EVENTS));
}

#[test]
fn a_restart_has_every_event_as_it_was_in_memory_or_on_disk() {
    const EVENTS: usize = 2_000;
    for window in ["16", "100", "100000"] {
        let log = Log::new();
        let server = log.start(&["--window-events", window]);
        publish_numbers(&server, 0..EVENTS);
        let before = replay(&server);
        assert_eq!(before.len(), EVENTS);
        drop(server);
        let server = log.start(&["--window-events", window]);
        assert_eq!(replay(&server), before);
        assert_eq!(server.metric("history_events"), EVENTS as u64);
        let mut feed = Feed::open(server.address, "topic=*&last=20&until=head", "").unwrap();
        assert_eq!(feed.up_to_head(), before[EVENTS - 20..]);
        // And every kind of field.
        let topics =
            r#"{"topics":["a","b"],"event":"named","data":{"x":[1.50,null]},"id":"own","retry":7}"#;
        assert_eq!(
            server.post("/events", "application/json", topics).status,
            200
        );
        let json = |server: &Server| {
            let mut stream = server.subscribe("/events?topic=b&last=1&format=json");
            stream.event().unwrap()
        };
        let before = json(&server);
        assert!(before.data.contains("1.50") && before.data.contains("own"));
        drop(server);
        assert_eq!(json(&log.start(&[])), before);
    }
}

#[test]
fn idempotency_keys_are_found_after_a_restart() {
    let log = Log::new();
    let publish = |server: &Server, data: &str| {
        let mut publisher = Publisher::connect(server.address).unwrap();
        publisher.text("/events?id=order-7", data).unwrap()
    };
    let server = log.start(&["--window-events", "16"]);
    let first = publish(&server, "first");
    publish_numbers(&server, 0..50);
    drop(server);
    let server = log.start(&["--window-events", "16"]);
    assert_eq!(publish(&server, "again"), first);
    let mut stream = server.subscribe_with("/events?topic=*", "Last-Event-ID: order-7");
    assert_eq!(id_of(&stream.next().unwrap().id), first);
    assert_eq!(stream.data(50), numbers(0..50));
    assert_eq!(replay(&server).len(), 51);
}

#[test]
fn a_server_that_was_stopped_leaves_a_log_that_opens() {
    let log = Log::new();
    let mut server = log.start(&["--sync", "never"]);
    server.publish_all("a", numbers(0..100));
    server.signal("-TERM");
    assert!(server.wait().success());
    assert_eq!(replay(&log.start(&[])).len(), 100);
}

fn open(log: &Log) -> Disk {
    let all = Retention::new().events(1_000).bytes(1 << 20);
    let options = disk::Options::new(log.path())
        .wait(std::time::Duration::ZERO)
        .sync(SyncPolicy::Always)
        .retention(all)
        .window(all.events(16))
        .cache_bytes(1 << 20);
    Disk::open(options).expect("it opens")
}

#[tokio::test(flavor = "multi_thread")]
async fn retained_values_keep_their_versions_over_a_restart() {
    let log = Log::new();
    let event = || sse_broadcaster::Event::builder("x").build().unwrap();
    let retain = |key: &str, value: Option<&'static str>| Retain::new(key, value.map(Into::into));
    let disk = open(&log);
    let mut at = Vec::new();
    for [kept, removed] in [
        [retain("kept", Some("old")), retain("removed", Some("x"))],
        [retain("kept", Some("new")), retain("removed", None)],
    ] {
        let batch = Batch::from(event()).retain(kept).retain(removed);
        at.extend(
            disk.append(batch, ReservationGuard::default())
                .await
                .unwrap()
                .ids,
        );
    }
    disk.close().await;
    drop(disk);

    let disk = open(&log);
    let found = disk.retained(&["kept", "removed", "never"]).await.unwrap();
    assert_eq!(found.head, at[1]);
    assert_eq!(found.values, [Some(("new".into(), at[1])), None, None]);
    for (written_at, is_right) in [(at[0], false), (at[1], true)] {
        let expected = Precondition::new("kept", Some(written_at));
        let batch = Batch::from(event()).precondition(expected);
        assert_eq!(
            disk.append(batch, ReservationGuard::default())
                .await
                .is_ok(),
            is_right
        );
    }
}
