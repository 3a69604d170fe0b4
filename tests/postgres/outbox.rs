//! Events that an application publishes within its own transactions.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use sse_broadcaster::event::{EVENT_SOURCE_NAMES, RESERVED_NAMES};

use crate::{
    postgres::nodes::{Database, Session},
    support::wait_until,
};

#[test]
fn an_event_comes_if_and_only_if_its_transaction_commits() {
    let database = Database::new();
    let node = database.node(&[]);
    let mut stream = node.subscribe("/events?topic=t");
    stream.until("connected");
    let mut application = database.session();
    application.run("BEGIN; SELECT @.publish('t', 'rolled back'); ROLLBACK");
    application
        .run("BEGIN; SELECT @.publish('t', 'kept'); SAVEPOINT a; SELECT @.publish('t', 'undone')");
    application.run("ROLLBACK TO a; SELECT @.publish('t', 'kept, too')");
    node.publish("t", "by HTTP meanwhile");
    assert_eq!(stream.data(1), ["by HTTP meanwhile"]);
    application.run("COMMIT");
    assert_eq!(stream.data(2), ["kept", "kept, too"]);
    node.publish("t", "last");
    assert_eq!(stream.data(1), ["last"]);
    assert_eq!(database.number("SELECT count(*) FROM @.outbox"), 0);
}

#[test]
fn a_transaction_that_commits_late_is_passed_by_none_of_its_events() {
    let database = Database::new();
    let node = database.node(&[]);
    let mut live = node.subscribe("/events?topic=t");
    let connected = live.next().unwrap();
    assert_eq!(connected.name, "connected");
    let mut sessions: Vec<_> = (0..6).map(|_| database.session()).collect();
    for (number, session) in sessions.iter_mut().enumerate() {
        session.run(&format!(
            "BEGIN; SELECT @.publish('t', '{number} a'); SELECT @.publish('t', '{number} b')"
        ));
    }
    // Out of order, each after the one before has come, and events of others in between.
    let mut expected = Vec::new();
    for number in [4, 1, 5, 0, 3, 2] {
        sessions[number].run("COMMIT");
        assert_eq!(live.data(2), [format!("{number} a"), format!("{number} b")]);
        node.publish("t", &format!("{number} c"));
        assert_eq!(live.data(1), [format!("{number} c")]);
        expected.extend(["a", "b", "c"].map(|part| format!("{number} {part}")));
    }
    let resuming = format!("Last-Event-ID: {}", connected.id);
    let mut resumed = node.subscribe_with("/events?topic=t", &resuming);
    assert_eq!(resumed.data(expected.len()), expected);
}

#[test]
fn an_application_that_keeps_its_transaction_open_holds_nobody_up() {
    let database = Database::new();
    let node = database.node(&[]);
    let mut open = database.session();
    open.run("BEGIN; SELECT @.publish('t', 'late')");
    let mut stream = node.subscribe("/events?topic=t&since=earliest");
    database.ask("SELECT @.publish('t', 'by another')");
    let ids = node.publish_all("t", (0..20).map(|number| number.to_string()));
    assert_eq!(ids.len(), 20);
    let mut seen = stream.data(21);
    seen.sort();
    assert!(seen.contains(&"by another".to_owned()), "{seen:?}");
    open.run("COMMIT");
    assert_eq!(stream.data(1), ["late"]);
}

#[test]
fn of_two_transactions_the_one_that_saw_the_other_comes_later() {
    let database = Database::new();
    let _nodes = [database.node(&[]), database.node(&[])];
    database.ask("CREATE TABLE @.seen (number integer)");
    let is_over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (mut session, is_over) = (database.session(), Arc::clone(&is_over));
            thread::spawn(move || {
                while !is_over.load(Ordering::SeqCst) {
                    chain(&mut session);
                }
            })
        })
        .collect();
    wait_until("many have come", || {
        database.number("SELECT count(*) FROM @.seen") >= 200
    });
    is_over.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.join().unwrap();
    }
    let count = database.number("SELECT count(*) FROM @.seen");
    let node = database.node(&[]);
    let mut stream = node.subscribe("/events?topic=t&since=earliest");
    let expected: Vec<_> = (1..=count).map(|number| number.to_string()).collect();
    let came = stream.data(expected.len());
    assert_eq!(came, expected, "in the order in which they saw each other");
}

/// Publishes the number after the one that it sees.
fn chain(session: &mut Session) {
    session.run(
        "BEGIN; LOCK TABLE @.seen IN EXCLUSIVE MODE; INSERT INTO @.seen SELECT count(*) + 1 FROM @.seen; \
         SELECT @.publish('t', (SELECT count(*) FROM @.seen)::text); COMMIT",
    );
}

#[test]
fn a_lost_notification_delays_an_event_and_loses_none() {
    let database = Database::new();
    let node = database.node(&[]);
    let mut stream = node.subscribe("/events?topic=t");
    stream.until("connected");
    // As if it were lost: nothing tells of what is inserted so.
    database.ask(
        "INSERT INTO @.outbox (packed, topics, cost) VALUES (@.pack(ARRAY['t'], 'quiet', NULL, false, NULL), 't', 300)",
    );
    assert_eq!(stream.data(1), ["quiet"]);
}

#[test]
fn an_event_has_the_trace_that_its_transaction_has_set_if_that_is_there_and_sampled() {
    let database = Database::new();
    let node = database.node(&[]);
    let mut stream = node.subscribe("/events?topic=t&format=json&traceparent=true");
    stream.until("connected");
    let (id, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let mut application = database.session();
    for (text, is_there) in [
        (format!("00-{id}-{span}-01"), true),
        (format!("00-{id}-{span}-00"), false),
        (format!("00-{}-{span}-01", "0".repeat(32)), false),
        (format!("00-{id}-{}-01", "0".repeat(16)), false),
        (format!("00-{}-{span}-01", id.to_uppercase()), false),
        (format!("00-{id}-{span}-01-more"), false),
        (String::new(), false),
    ] {
        application.run(&format!(
            "BEGIN; SET LOCAL sse_broadcaster.traceparent = '{text}'; SELECT @.publish('t', 'x'); COMMIT"
        ));
        let event = stream.data(1).remove(0);
        let expected = format!("\"traceparent\":\"{text}\"");
        assert_eq!(event.contains(&expected), is_there, "{text}: {event}");
        assert_eq!(event.contains("traceparent"), is_there, "{text}: {event}");
        application.run("SELECT @.publish('t', 'behind it')");
        let event = stream.data(1).remove(0);
        assert!(!event.contains("traceparent"), "{event}");
    }
}

#[test]
fn every_field_of_an_event_comes_through() {
    let database = Database::new();
    let node = database.node(&[]);
    let mut stream = node.subscribe("/events?topic=a&format=json");
    stream.until("connected");
    database.ask(
        "SELECT @.publish(topics => ARRAY['a', 'b', 'a'], data => E'one\\ntwo \\u00fc', event => 'changed', \
         idempotency_key => 'order-1')",
    );
    let json: serde_json::Value = serde_json::from_str(&stream.data(1)[0]).unwrap();
    assert_eq!(json["topics"], serde_json::json!(["a", "b"]));
    assert_eq!(
        (&json["event"], &json["data"]),
        (&"changed".into(), &"one\ntwo ü".into())
    );
    assert_eq!(json["own_id"], "order-1");
    // The same key is the same event, by whichever way it comes.
    database.ask("SELECT @.publish('a', 'repeated', idempotency_key => 'order-1')");
    database.ask("SELECT @.publish('a', '{\"b\": [1, 2]}'::jsonb)");
    let json: serde_json::Value = serde_json::from_str(&stream.data(1)[0]).unwrap();
    assert_eq!(json["data"], "{\"b\": [1, 2]}");
}

#[test]
fn what_cannot_be_an_event_is_refused_with_what_would_be_right() {
    let database = Database::new();
    let _node = database.node(&["--max-event-bytes", "1000"]);
    let long = "x".repeat(257);
    for (arguments, message) in [
        ("'', 'x'", "the topic is empty"),
        (&format!("'{long}', 'x'"), "the topic has 257 bytes"),
        ("E'a\\nb', 'x'", "control character"),
        ("E'a\\u0085', 'x'", "control character"),
        ("'a*', 'x'", "holds * or {"),
        ("'$a', 'x'", "begins with $"),
        ("NULL::text, 'x'", "is NULL"),
        ("'a', NULL::text", "is NULL"),
        ("ARRAY[]::text[], 'x'", "has 0 topics"),
        ("array_fill('a'::text, ARRAY[0]), 'x'", "has 0 topics"),
        (
            "(SELECT array_agg(n::text) FROM generate_series(1, 101) n), 'x'",
            "has 101 topics",
        ),
        (
            "'a', repeat('x', 1001)",
            "At most 1000 bytes are allowed (--max-event-bytes)",
        ),
        ("'a', 'x', 'heartbeat'", "is reserved"),
        ("'a', 'x', ''", "the event name is empty"),
        (
            "'a', 'x', idempotency_key => '12-3'",
            "looks like a position",
        ),
    ] {
        let error = database.error(&format!("SELECT @.publish({arguments})"));
        assert!(error.contains(message), "{arguments}: {error}");
    }
    for name in RESERVED_NAMES.iter().chain(&EVENT_SOURCE_NAMES) {
        let error = database.error(&format!("SELECT @.publish('a', 'x', '{name}')"));
        assert!(error.contains("is reserved"), "{name}: {error}");
    }
    database.ask("SELECT @.publish('a', repeat('x', 1000)), @.publish(repeat('ü', 128), '')");
}

#[test]
fn an_outbox_that_no_node_empties_has_a_bound() {
    let database = Database::new();
    // Made by a node that has ended.
    drop(database.node(&[]));
    database.ask("UPDATE @.settings SET max_outbox = 10");
    database.ask("SELECT @.publish('a', n::text) FROM generate_series(1, 11) n");
    let error = database.error("SELECT @.publish('a', 'x')");
    assert!(error.contains("no node has moved them"), "{error}");
    let node = database.node(&[]);
    wait_until("they are moved", || {
        database.number("SELECT count(*) FROM @.outbox") == 0
    });
    database.ask("SELECT @.publish('a', 'x')");
    let mut stream = node.subscribe("/events?topic=a&since=earliest");
    assert_eq!(stream.data(12)[11], "x");
}

#[test]
fn more_than_one_transaction_moves_comes_in_order_and_each_once() {
    let database = Database::new();
    drop(database.node(&[]));
    database.ask("SELECT @.publish('a', n::text) FROM generate_series(1, 5000) n");
    let nodes = [database.node(&[]), database.node(&[])];
    let mut stream = nodes[1].subscribe("/events?topic=a&since=earliest");
    let expected: Vec<_> = (1..=5_000).map(|number| number.to_string()).collect();
    assert_eq!(stream.data(5_000), expected);
    nodes[0].publish("a", "last");
    assert_eq!(stream.data(1), ["last"]);
}
