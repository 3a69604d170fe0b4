//! Positions come in the order of commits: what is not committed yet is passed by nobody.

use std::thread;

use crate::{
    postgres::nodes::{Database, Session},
    redis::nodes::{Published, publish},
    support::wait_until,
};

/// Appends an event as a node does, in the transaction that is open.
fn append(session: &mut Session, data: &str) {
    session.run(&format!(
        "SELECT @.append(h.epoch, h.server, 1000000, 1 << 30, NULL, 1, ARRAY[@.pack(ARRAY['t'], '{data}', NULL, false, NULL)], \
         ARRAY['t'], ARRAY[300]::bigint[], ARRAY[NULL]::text[], NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL) \
         FROM (SELECT * FROM @.head FOR NO KEY UPDATE) AS h"
    ));
}

#[test]
fn an_append_that_commits_late_comes_before_those_that_waited_for_it() {
    let database = Database::new();
    let nodes = [database.node(&[]), database.node(&[])];
    let mut streams: Vec<_> = nodes
        .iter()
        .map(|node| {
            let mut stream = node.subscribe("/events?topic=t");
            stream.until("connected");
            stream
        })
        .collect();
    let mut session = database.session();
    for round in 0..5 {
        session.run("BEGIN");
        append(&mut session, &format!("open {round}"));
        let addresses = [nodes[0].address, nodes[1].address];
        let waiting = addresses.map(|address| {
            let data = format!("waiting {round}");
            thread::spawn(move || publish(address, &data))
        });
        wait_until("both nodes wait", || {
            let blocked = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sse-broadcaster' \
                AND cardinality(pg_blocking_pids(pid)) > 0";
            database.number(blocked) >= 1
        });
        session.run("COMMIT");
        for waiting in waiting {
            assert!(matches!(waiting.join().unwrap(), Published::At(_)));
        }
        for stream in &mut streams {
            let waited = format!("waiting {round}");
            assert_eq!(
                stream.data(3),
                [format!("open {round}"), waited.clone(), waited]
            );
        }
    }
}

#[test]
fn an_append_that_is_rolled_back_leaves_no_gap() {
    let database = Database::new();
    let node = database.node(&[]);
    let mut stream = node.subscribe("/events?topic=t");
    let first = node.publish("t", "first");
    let mut session = database.session();
    session.run("BEGIN");
    append(&mut session, "never");
    session.run("ROLLBACK");
    node.publish("t", "second");
    assert_eq!(stream.data(2), ["first", "second"]);
    let mut resumed = node.subscribe_with("/events?topic=t", &format!("Last-Event-ID: {first}"));
    assert_eq!(resumed.next().unwrap().name, "connected");
    assert_eq!(resumed.data(1), ["second"]);
}

#[test]
fn a_publish_that_waits_too_long_is_refused_and_was_not_stored() {
    let database = Database::new();
    let node = database.node(&[]);
    let mut stream = node.subscribe("/events?topic=t");
    stream.until("connected");
    let mut session = database.session();
    session.run("BEGIN; SELECT 1 FROM @.head FOR UPDATE");
    let refused = publish(node.address, "refused");
    assert_eq!(refused, Published::Refused);
    session.run("COMMIT");
    wait_until("it takes events again", || {
        matches!(publish(node.address, "later"), Published::At(_))
    });
    assert_eq!(stream.data(1), ["later"]);
}
