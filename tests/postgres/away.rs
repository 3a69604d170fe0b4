//! PostgreSQL that is unreachable, from the start or for a while: what is refused, what stays, and what is logged.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use sse_broadcaster::history::History as _;
use sse_broadcaster_postgres::{Postgres, PostgresOptions};

use crate::{
    postgres::nodes::node,
    redis::nodes::{Published, history_of, publish},
    support::postgres::PostgresServer,
    support::{PATIENCE, command, wait_until},
};

const SCHEMA: &str = "sse_broadcaster";

#[test]
fn a_node_starts_without_postgres_says_so_and_goes_on_once_it_is_there() {
    let mut server = PostgresServer::prepare(&[]);
    let mut node = node(server.address(), SCHEMA, &[]);
    assert!(node.log().contains("is unreachable"), "{}", node.log());
    assert_eq!(history_of(&node), "unavailable");
    assert_eq!(publish(node.address, "refused"), Published::Refused);
    let mut fresh = node.subscribe("/events?topic=t");
    // What is past cannot be had: its client is to come back later.
    let mut resumed = node.subscribe_with("/events?topic=t", "Last-Event-ID: 5-5");
    assert_eq!(resumed.drain_to_farewell(), []);
    assert!(resumed.retry >= Some(2_000) && resumed.last_id.is_empty());
    server.run();
    wait_until("history is there", || history_of(&node) == "ok");
    node.wait_for_log("has recovered");
    let connected = fresh.next().unwrap();
    assert_eq!(connected.name, "connected");
    assert!(!connected.id.starts_with("0-"), "{connected:?}");
    node.publish("t", "first");
    assert_eq!(fresh.data(1), ["first"]);
    assert_eq!(
        node.log().matches("is unreachable").count(),
        1,
        "said once: {}",
        node.log()
    );
}

#[test]
fn a_publish_is_refused_in_time_and_what_is_past_is_sent_away_while_postgres_stands_still() {
    let server = PostgresServer::start();
    let mut settings = vec!["--window-events", "16", "--max-event-bytes", "1000"];
    settings.extend(["--history-timeout", "500ms"]);
    let node = node(server.address(), SCHEMA, &settings);
    let ids: Vec<_> = (0..40)
        .map(|count| node.publish("t", &count.to_string()))
        .collect();
    server.signal_all("-STOP");
    for _ in 0..3 {
        let began = Instant::now();
        let published = publish(node.address, "x");
        assert!(!matches!(published, Published::At(_)));
        assert!(
            began.elapsed() < Duration::from_secs(4),
            "{:?}",
            began.elapsed()
        );
    }
    wait_until("history is unavailable", || {
        history_of(&node) == "unavailable"
    });
    let mut held = node.subscribe_with("/events?topic=t", &format!("Last-Event-ID: {}", ids[37]));
    assert_eq!(held.data(2), ["38", "39"], "what the window holds is there");
    let mut past = node.subscribe_with("/events?topic=t", &format!("Last-Event-ID: {}", ids[2]));
    assert_eq!(past.drain_to_farewell(), []);
    server.signal_all("-CONT");
    wait_until("history is there", || history_of(&node) == "ok");
    let mut past = node.subscribe_with("/events?topic=t", &format!("Last-Event-ID: {}", ids[2]));
    assert_eq!(past.data(37)[36], "39");
}

#[test]
fn a_url_that_cannot_be_is_refused_without_showing_its_password() {
    for url in [
        "redis://user:secret@host",
        "postgres://me:secret@host/db?sslmode=allow",
        "postgres://me:secret@host:port/db",
    ] {
        let output = command(&["--listen", "127.0.0.1:0", "--postgres-url", url]).output();
        let output = output.expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains("--postgres-url"),
            "{said}"
        );
        assert!(!said.contains("secret"), "{said}");
    }
}

#[test]
fn a_password_is_used_and_never_shown() {
    let server = PostgresServer::start();
    server.ask("CREATE ROLE node LOGIN PASSWORD 'secret'; CREATE SCHEMA sse_broadcaster AUTHORIZATION node");
    let rules = "host all node all scram-sha-256\nhost all all all trust\n";
    std::fs::write(server.data().join("pg_hba.conf"), rules).unwrap();
    server.ask("SELECT pg_reload_conf()");
    let start = |password: &str| {
        let mut command = command(&["--listen", "127.0.0.1:0", "--workers", "1"]);
        let address = server.address();
        command.arg("--postgres-url");
        command.arg(format!(
            "postgres://node:{password}@{address}/postgres?sslmode=disable"
        ));
        crate::support::Server::spawn(command)
    };
    let mut node = start("secret");
    wait_until("it is let in", || history_of(&node) == "ok");
    node.publish("t", "x");
    let mut wrong = start("wrongsecret");
    assert!(
        wrong.log().contains("password authentication failed"),
        "{}",
        wrong.log()
    );
    assert!(!format!("{}{}", node.log(), wrong.log()).contains("secret"));
}

#[tokio::test]
async fn what_is_unavailable_has_the_error_of_postgres_as_its_source() {
    let absent = PostgresServer::prepare(&[]);
    let url = format!("postgres://user:secret@{}/db", absent.address());
    let history = Postgres::connect(PostgresOptions::new(url)).expect("a URL");
    history.tried(PATIENCE).await;
    let error = history.health().expect_err("it cannot be used");
    let source = error.source().expect("the error of PostgreSQL").to_string();
    assert!(error.reason().ends_with(&source), "{error}: {source}");
    let shown = format!("{error} {error:?} {history:?}");
    assert!(!shown.contains("secret"), "{shown}");
}
