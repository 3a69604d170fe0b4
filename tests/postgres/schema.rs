//! How the tables are made, and what becomes of nodes where they are gone.

use crate::{
    postgres::nodes::Database,
    redis::nodes::{Published, history_of, publish},
    support::wait_until,
};

#[test]
fn nodes_that_start_at_once_make_the_tables_once() {
    let database = Database::new();
    let starting: Vec<_> = (0..4)
        .map(|_| {
            let (server, schema) = (database.server.clone(), database.schema.clone());
            std::thread::spawn(move || super::nodes::node(server.address(), &schema, &[]))
        })
        .collect();
    let nodes: Vec<_> = starting
        .into_iter()
        .map(|node| node.join().unwrap())
        .collect();
    wait_until("all have history", || {
        nodes.iter().all(|node| history_of(node) == "ok")
    });
    let mut stream = nodes[3].subscribe("/events?topic=t");
    stream.until("connected");
    for node in &nodes {
        node.publish("t", "x");
    }
    assert_eq!(stream.data(4), ["x"; 4]);
    assert_eq!(database.number("SELECT count(*) FROM @.settings"), 1);
}

#[test]
fn a_schema_of_a_later_version_is_refused_with_a_sentence_that_says_so() {
    let database = Database::new();
    drop(database.node(&[]));
    database.ask("UPDATE @.settings SET version = 1000");
    let mut node = database.node(&[]);
    assert!(
        node.log().contains("has version 1000, and this node knows"),
        "{}",
        node.log()
    );
    assert_eq!(history_of(&node), "unavailable");
    assert_eq!(publish(node.address, "x"), Published::Refused);
}

#[test]
fn tables_that_are_dropped_under_nodes_are_made_anew_and_a_gap_on_every_stream() {
    let database = Database::new();
    let nodes = [database.node(&[]), database.node(&[])];
    let mut streams = [0, 1].map(|node: usize| nodes[node].subscribe("/events?topic=t"));
    nodes[0].publish("t", "before");
    for stream in &mut streams {
        assert_eq!(stream.data(1), ["before"]);
    }
    database.ask("DROP SCHEMA @ CASCADE");
    for stream in &mut streams {
        stream.until("gap");
    }
    wait_until("it takes events again", || {
        matches!(publish(nodes[1].address, "after"), Published::At(_))
    });
    for stream in &mut streams {
        assert_eq!(stream.data(1), ["after"]);
    }
}

#[test]
fn an_encoding_that_cannot_hold_every_event_is_refused() {
    let database = Database::new();
    let name = format!("latin_{}", database.schema);
    database.ask(&format!(
        "CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
    ));
    let url = format!(
        "postgres://postgres@{}/{name}?sslmode=disable",
        database.server.address()
    );
    let mut command = crate::support::command(&["--listen", "127.0.0.1:0", "--postgres-url", &url]);
    command.args(["--workers", "1"]);
    let mut node = crate::support::Server::spawn(command);
    assert!(
        node.log().contains("LATIN1, and UTF8 is needed"),
        "{}",
        node.log()
    );
}
