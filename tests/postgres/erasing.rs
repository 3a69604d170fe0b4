//! Events that are erased before retention drops them: what the tables keep of them, and how that is counted.

use crate::{
    postgres::{nodes::Database, presence::WITHOUT_VERSION_4},
    redis::nodes::history_of,
    support::{Server, Stream, wait_until},
};

/// Of events that a node packs, in any row of the log.
const ROWS_WITH_SECRET: &str = "SELECT count(*) FROM ( \
    SELECT packed FROM @.events UNION ALL SELECT convert_to(key, 'UTF8') FROM @.keys \
    UNION ALL SELECT packed FROM @.outbox) AS t(text) WHERE position('secret'::bytea IN text) > 0";
/// What counts an event as erased.
const IS_ERASED: &str = "get_byte(e.packed, 0) & 64 <> 0";

/// Calls the function as a node that keeps so many events; how many events were erased.
fn erase(topic: &str, keep: usize) -> String {
    format!(
        "SELECT x.count FROM @.head AS h, @.erase(h.epoch, h.server, {keep}, 1 << 30, NULL, 1, '{topic}', false, 0, 0, \
         NULL, NULL, 512, 1 << 25, 4096) AS x"
    )
}

/// Appends a thousand events of a hundred topics, as a node that keeps so many.
fn append(keep: usize) -> String {
    format!(
        "SELECT @.append(h.epoch, h.server, {keep}, 1 << 30, NULL, 1, \
         array_agg(@.pack(ARRAY['topic ' || n % 100], n::text, NULL, false, NULL)), \
         array_agg('topic ' || n % 100), array_agg(300 + n), array_agg(NULL::text), \
         NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL) \
         FROM @.head AS h, generate_series(1, 1000::bigint) AS n GROUP BY h.epoch, h.server"
    )
}

/// Compares what the head counts with the rows that are there.
fn check_counts(database: &Database) {
    let counted = "SELECT number - floor_number - erased_events, bytes - floor_bytes - erased_bytes, erased_events \
        FROM @.head";
    let held = format!(
        "SELECT count(*) FILTER (WHERE NOT {IS_ERASED}), coalesce(sum(e.cost), 0), count(*) FILTER (WHERE {IS_ERASED}) \
         FROM @.events AS e, @.head AS h WHERE (e.ms, e.seq) > (h.floor_ms, h.floor_seq)"
    );
    assert_eq!(database.ask(counted), database.ask(&held));
}

#[test]
fn what_was_erased_stands_in_no_row_and_what_was_rolled_back_was_not_erased() {
    let database = Database::new();
    let node = database.node(&[]);
    let event = r#"{"topics": ["a", "b"], "event": "secret", "data": "secret", "id": "secret", "retry": 500}"#;
    let published = node.post("/events", "application/json", event);
    assert_eq!(published.status, 200, "{published:?}");
    node.publish("b", "kept");
    assert_eq!(database.number(ROWS_WITH_SECRET), 2);
    let mut session = database.session();
    session.run("BEGIN");
    assert_eq!(session.run(&erase("a", 1_000)).trim(), "1");
    session.run("ROLLBACK");
    assert_eq!(database.number(ROWS_WITH_SECRET), 2);
    assert_eq!(database.number(&erase("a", 1_000)), 1);
    assert_eq!(database.number(ROWS_WITH_SECRET), 0);
    check_counts(&database);
    assert_eq!(database.number(&erase("a", 1_000)), 0);
    let mut stream = node.subscribe("/events?topic=b&since=earliest");
    assert_eq!(stream.data(1), ["kept"]);
}

#[test]
fn clients_that_lack_erased_events_get_a_gap_from_every_node_and_others_get_none() {
    let database = Database::new();
    let window = ["--window-events", "1000", "--max-event-bytes", "1000"];
    let nodes = [database.node(&window), database.node(&window)];
    let before = nodes[0].publish("a", "0");
    nodes[0].publish("a", "1");
    nodes[0].publish("b", "2");
    // The window holds none of these any more.
    database.ask(&format!("{0}; {0}", append(100_000)));
    let last = nodes[0].publish("b", "3");
    assert_eq!(database.number(&erase("a", 100_000)), 2);
    let later = nodes[0].publish("a", "4");
    for node in &nodes {
        wait_until("it knows of the erasure", || {
            node.metric("history_events") == 2_006 - 2
        });
        let begin = |topic: &str, id: &str| -> (String, Stream) {
            let resuming = format!("Last-Event-ID: {id}");
            let mut stream = node.subscribe_with(&format!("/events?topic={topic}"), &resuming);
            (stream.next().unwrap().name, stream)
        };
        let (first, mut stream) = begin("a", &before);
        assert_eq!(first, "gap");
        assert_eq!(stream.data(1), ["4"]);
        let (first, mut stream) = begin("b", &before);
        assert_eq!(first, "connected");
        assert_eq!(stream.data(2), ["2", "3"]);
        for id in [&last, &later] {
            assert_eq!(begin("a", id).0, "connected");
        }
    }
}

#[test]
fn a_read_that_the_first_erasure_overtakes_learns_of_it() {
    let database = Database::new();
    let node = database.node(&["--window-events", "1000", "--max-event-bytes", "1000"]);
    let before = node.publish("a", "0");
    node.publish("a", "1");
    database.ask(&format!("{0}; {0}", append(100_000)));
    wait_until("the window holds none of these any more", || {
        node.metric("history_events") == 2_002
    });
    let resuming = format!("Last-Event-ID: {before}");
    let mut session = database.session();
    // Who reads has read the head, and waits for the index.
    session.run("BEGIN; LOCK @.topic_events IN ACCESS EXCLUSIVE MODE");
    std::thread::scope(|threads| {
        let reading = threads.spawn(|| {
            let mut stream = node.subscribe_with("/events?topic=a", &resuming);
            (stream.next().unwrap().name, stream.data(1))
        });
        let blocked = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sse-broadcaster' \
            AND query LIKE '%@%.read(%' AND cardinality(pg_blocking_pids(pid)) > 0";
        wait_until("it waits", || database.number(blocked) > 0);
        session.run(&format!("{}; COMMIT", erase("a", 100_000)));
        node.publish("a", "later");
        let (first, data) = reading.join().unwrap();
        assert_eq!(first, "gap");
        assert_eq!(data, ["later"]);
    });
}

#[test]
fn retention_counts_exactly_what_was_erased_until_nothing_of_it_is_left() {
    let database = Database::new();
    let args = ["--history-events", "4000", "--max-event-bytes", "1000"];
    let node = database.node(&args);
    let next = "SELECT s.is_empty FROM @.slots AS s, @.head AS h WHERE s.slot = (h.slot + 1) % 8";
    for round in 0..16 {
        wait_until("there is a partition to fill", || database.ask(next) == "t");
        database.ask(&append(4_000));
        let erase = |topic| erase(&format!("topic {}", (round * 7 + topic) % 100), 4_000);
        let erased = database.ask(&(0..10).map(erase).collect::<Vec<_>>().join("; "));
        assert!(erased.lines().all(|count| count != "0"), "{erased}");
        check_counts(&database);
        let held = database.number("SELECT number - floor_number - erased_events FROM @.head");
        assert!(held <= 4_000 && (round < 8 || held > 3_500), "{held}");
    }
    assert!(database.number("SELECT erased_events FROM @.head") > 400);
    assert!(database.number("SELECT sum(emptied) FROM @.slots") > 4);
    wait_until("nothing of it is left", || {
        if database.ask(next) == "t" {
            database.ask(&append(4_000));
        }
        database.ask("SELECT erased_events, erased_bytes FROM @.head") == "0|0"
    });
    check_counts(&database);
    wait_until("the partitions are emptied", || {
        if database.ask(next) == "t" {
            database.ask(&append(4_000));
        }
        let erased = format!("SELECT count(*) FROM @.events AS e WHERE {IS_ERASED}");
        database.number(&erased) == 0
    });
    let index = "SELECT count(*) = (SELECT count(*) FROM @.topic_events) FROM @.events";
    assert_eq!(database.ask(index), "t");
    wait_until("the node counts alike", || {
        node.metric("history_events") == 4_000
    });
}

/// What nodes of version 1 had prepared.
const VERSION_1: &str = "PREPARE poll AS SELECT (p.state).epoch, (p.state).number, (p.state).server, p.last_number, p.packed \
    FROM @.poll(0, 0, 100, 100000) AS p; \
    PREPARE trim AS SELECT @.trim(h.epoch, h.server, 1000, 1 << 30, NULL, true) FROM @.head AS h; \
    PREPARE newest AS SELECT x.is_all, x.packed FROM @.head AS h, @.newest(h.epoch, h.ms, h.seq + 1, ARRAY['a'], 10, 1000) AS x";

#[test]
fn a_schema_of_version_1_is_upgraded_under_the_sessions_that_use_it() {
    let database = Database::new();
    let node = |database: &Database| -> Server {
        let node = database.node(&[]);
        wait_until("it has history", || history_of(&node) == "ok");
        node
    };
    let first = node(&database);
    let id = first.publish("a", "1");
    first.publish("b", "2");
    drop(first);
    let mut session = database.session();
    session.run(VERSION_1);
    let run = "EXECUTE poll; EXECUTE trim; EXECUTE newest";
    let before = session.run(run);
    database.ask(WITHOUT_VERSION_4);
    database.ask(
        "ALTER TABLE @.head DROP COLUMN erased_events, DROP COLUMN erased_bytes, DROP COLUMN keys_erased; \
         DROP FUNCTION @.erase; UPDATE @.settings SET version = 1",
    );
    let second = node(&database);
    assert_eq!(session.run(run), before);
    let mut stream = second.subscribe("/events?topic=a&since=earliest");
    assert_eq!(stream.data(1), ["1"]);
    assert_eq!(database.number(&erase("a", 1_000)), 1);
    check_counts(&database);
    let resumed = second.subscribe_with("/events?topic=b", &format!("Last-Event-ID: {id}"));
    drop(resumed);
    assert_ne!(session.run(run), before);
}
