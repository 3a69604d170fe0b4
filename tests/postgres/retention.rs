//! What the log keeps, and how partitions follow.

use crate::{postgres::nodes::Database, support::wait_until};

/// Fills the log as a node does: so many events of some topics, in one transaction each thousand.
fn fill(database: &Database, thousands: usize, keep: usize) {
    let append = format!(
        "SELECT @.append(h.epoch, h.server, {keep}, 1 << 30, NULL, 1, \
         array_agg(@.pack(ARRAY['topic ' || n % 100], n::text, NULL, false, NULL)), \
         array_agg('topic ' || n % 100), array_agg(300::bigint), array_agg(NULL::text), \
         NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL) \
         FROM @.head AS h, generate_series(1, 1000) AS n GROUP BY h.epoch, h.server;"
    );
    for _ in 0..thousands.div_ceil(50) {
        database.ask(&append.repeat(thousands.min(50)));
    }
}

/// Fills the log a little, once there is a partition for it.
fn fill_slowly(database: &Database, keep: usize) {
    let next = "SELECT s.is_empty FROM @.slots AS s, @.head AS h WHERE s.slot = (h.slot + 1) % 8";
    if database.ask(next) == "t" {
        fill(database, 1, keep);
    }
}

fn held(database: &Database) -> i64 {
    database.number("SELECT number - floor_number FROM @.head")
}

fn rows(database: &Database) -> i64 {
    database.number("SELECT count(*) FROM @.events")
}

#[test]
fn a_bound_holds_exactly_and_partitions_that_it_has_passed_are_emptied() {
    let database = Database::new();
    let node = database.node(&["--history-events", "4000", "--max-event-bytes", "1000"]);
    fill(&database, 30, 4_000);
    assert_eq!(held(&database), 4_000);
    wait_until("what was dropped is removed", || {
        fill_slowly(&database, 4_000);
        rows(&database) < 7_000
    });
    assert_eq!(held(&database), 4_000);
    assert!(database.number("SELECT sum(emptied) FROM @.slots") > 0);
    let index = "SELECT count(*) = (SELECT count(*) FROM @.topic_events) FROM @.events";
    wait_until("so is the index", || database.ask(index) == "t");
    node.publish("t", "last");
    wait_until("it is counted", || node.metric("history_events") == 4_000);
    let mut stream = node.subscribe("/events?topic=*&since=earliest");
    assert_eq!(stream.data(4_000)[3_999], "last");
}

#[test]
fn topics_are_forgotten_with_their_events() {
    let database = Database::new();
    let node = database.node(&["--history-events", "1000", "--max-event-bytes", "1000"]);
    node.publish("once", "x");
    assert_eq!(database.number("SELECT count(*) FROM @.topics"), 1);
    wait_until("it is forgotten", || {
        fill(&database, 3, 1_000);
        database.number("SELECT count(*) FROM @.topics WHERE topic = 'once'") == 0
    });
    assert_eq!(database.number("SELECT count(*) FROM @.topics"), 100);
}

#[test]
fn a_reader_that_keeps_its_transaction_open_stops_no_publish() {
    let database = Database::new();
    let node = database.node(&["--history-events", "2000", "--max-event-bytes", "1000"]);
    fill(&database, 1, 2_000);
    let mut reader = database.session();
    reader.run("BEGIN; SELECT count(*) FROM @.events");
    for count in 0..20 {
        fill(&database, 1, 2_000);
        node.publish("t", &count.to_string());
    }
    assert_eq!(held(&database), 2_000);
    let blocked = rows(&database);
    assert!(
        blocked > 15_000,
        "nothing is removed under the reader: {blocked}"
    );
    reader.run("COMMIT");
    wait_until("what was dropped is removed", || {
        // The partition that was filled meanwhile holds it all, until it is passed.
        fill_slowly(&database, 2_000);
        rows(&database) < 8_000
    });
}

#[test]
fn what_grows_too_old_is_dropped_while_nobody_publishes() {
    let database = Database::new();
    let node = database.node(&["--history-age", "2s"]);
    let ids = node.publish_all("t", (0..50).map(|count| count.to_string()));
    wait_until("all is dropped", || held(&database) == 0);
    let resuming = format!("Last-Event-ID: {}", ids[10]);
    let resume = || node.subscribe_with("/events?topic=t", &resuming);
    wait_until("the node knows", || resume().next().unwrap().name == "gap");
    assert_eq!(node.metric("history_events"), 0);
    let mut stream = resume();
    node.publish("t", "new");
    assert_eq!(stream.data(1), ["new"]);
}

#[test]
fn a_few_events_of_a_large_log_are_found_by_their_topic_and_their_position() {
    large(100);
}

#[test]
#[ignore = "takes half a minute: scripts/test slow"]
fn a_few_events_of_a_million_are_found_by_their_topic_and_their_position() {
    large(1_000);
}

fn large(thousands: usize) {
    let database = Database::new();
    let window = [
        "--history-events",
        "10000000",
        "--window-events",
        "1000",
        "--max-event-bytes",
        "1000",
    ];
    let first = database.node(&window);
    let ids: Vec<_> = (0..10)
        .map(|count| first.publish("rare", &count.to_string()))
        .collect();
    fill(&database, thousands, 10_000_000);
    drop(first);
    let node = database.node(&window);
    node.publish("rare", "last");
    let mut expected: Vec<_> = (4..10).map(|count| count.to_string()).collect();
    expected.push("last".into());
    let resuming = format!("Last-Event-ID: {}", ids[3]);
    let mut resumed = node.subscribe_with("/events?topic=rare", &resuming);
    assert_eq!(resumed.next().unwrap().name, "connected");
    assert_eq!(resumed.data(7), expected);
    assert_eq!(
        node.subscribe("/events?topic=rare&last=7").data(7),
        expected
    );
    assert_eq!(
        node.subscribe("/events?topic=rare&since=1h").data(11)[4..],
        expected
    );
}
