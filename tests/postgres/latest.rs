//! The last events of topics in PostgreSQL.

use crate::{
    postgres::{nodes::Database, presence::WITHOUT_VERSION_4},
    support::wait_until,
};

const RULES: [&str; 4] = [
    "--topic-rule",
    "prices/{symbol}=latest",
    "--history-events",
    "16",
];

const LAST_PRICE: [&str; 2] = ["--topic-rule", "prices/{symbol}=events:1,latest"];

#[test]
fn what_one_node_takes_last_every_node_sends_first() {
    let database = Database::new();
    let nodes = [0, 1].map(|_| database.node(&RULES));
    for n in 0..12 {
        let data = ["old", "new"].map(|age| format!("{age} {n}"));
        nodes[0].publish(&format!("prices/{n}"), &data[0]);
        nodes[1].publish(&format!("prices/{n}"), &data[1]);
    }
    for n in 0..20 {
        nodes[n % 2].publish("other", "x");
    }
    let head = nodes[1].publish("other", "head");
    let expected: Vec<_> = (0..12).map(|n| format!("new {n}")).collect();
    for node in &nodes {
        wait_until("the node has everything", || {
            let mut stream = node.subscribe("/events?topic=none");
            stream.until("connected").id == head
        });
        let mut stream = node.subscribe("/events?topic=*");
        assert_eq!(stream.data(12), expected);
        assert_eq!(stream.until("connected").id, head);
        let mut resumed = node.subscribe("/events?topic=prices/3&last_event_id=1-1");
        assert_eq!(resumed.next().unwrap().name, "gap");
        assert_eq!(resumed.data(1), ["new 3"]);
        resumed.until("connected");
    }
}

#[test]
fn a_schema_of_the_version_before_is_upgraded_and_keeps_what_it_has() {
    let database = Database::new();
    let node = database.node(&RULES);
    let id = node.publish("prices/a", "before");
    drop(node);
    database.ask(WITHOUT_VERSION_4);
    // As version 1 was, as far as a node notices.
    database.ask(
        "ALTER TABLE @.head DROP COLUMN erased_events, DROP COLUMN erased_bytes, DROP COLUMN keys_erased; \
         DROP FUNCTION @.append, @.erase; UPDATE @.settings SET version = 1",
    );
    let node = database.node(&RULES);
    let mut stream = node.subscribe("/events?topic=prices/a&since=earliest");
    assert_eq!(stream.event().unwrap().id, id);
    node.publish("prices/a", "after");
    assert_eq!(stream.data(1), ["after"]);
    assert!(database.number("SELECT version FROM @.settings") > 1);
    let mut stream = node.subscribe("/events?topic=prices/a");
    assert_eq!(stream.next().unwrap().data, "after");
}

#[test]
fn events_of_the_outbox_become_last_events_of_their_topics() {
    let database = Database::new();
    let nodes = [0, 1].map(|_| database.node(&LAST_PRICE));
    database.ask(
        "BEGIN; SELECT @.publish('prices/a', '1'), @.publish(ARRAY['prices/a', 'prices/b'], '2', 'changed'); \
         SELECT @.publish('prices/a', '3'), @.publish('prices/a', '3 again', idempotency_key => 'three'); \
         SELECT @.publish('prices/a', 'a repeat', idempotency_key => 'three'), @.publish('other', '4'); COMMIT",
    );
    let values = "SELECT count(*) FROM @.retained WHERE encode(key, 'escape') LIKE '$latest/%'";
    wait_until("they are moved", || database.number(values) == 2);
    for number in 0..100 {
        database.ask(&format!("SELECT @.publish('prices/c', '{number}')"));
    }
    wait_until("the rule has dropped what it does not keep", || {
        database.number("SELECT count(*) FROM @.events WHERE get_byte(packed, 0) & 64 <> 0") > 100
    });
    for node in &nodes {
        for (topic, last) in [("a", "3 again"), ("b", "2"), ("c", "99")] {
            let mut stream = node.subscribe(&format!("/events?topic=prices/{topic}"));
            assert_eq!(stream.data(1), [last]);
        }
    }
}

#[test]
fn events_of_the_outbox_come_though_there_is_no_room_for_last_events() {
    let database = Database::new();
    let mut node = database.node(&LAST_PRICE);
    let mut stream = node.subscribe("/events?topic=prices/a");
    stream.until("connected");
    database.ask("UPDATE @.head SET value_count = 10000");
    database.ask("SELECT @.publish('prices/a', '1'), @.publish('prices/a', '2')");
    assert_eq!(stream.data(2), ["1", "2"]);
    wait_until("it is reported", || {
        node.log().contains("has no room for more last events")
    });
    assert_eq!(database.number("SELECT count(*) FROM @.retained"), 0);
}
