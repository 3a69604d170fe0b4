//! A primary and its standby, and nodes of which each has a way of its own to one of them.

use crate::{
    postgres::nodes::node,
    redis::nodes::{Published, history_of, publish},
    redis::pair::{acknowledged, number},
    redis::proxy::Proxy,
    support::postgres::PostgresServer,
    support::{Server, wait_until},
};

const SCHEMA: &str = "sse_broadcaster";

struct Pair {
    old: PostgresServer,
    new: PostgresServer,
}

impl Pair {
    /// With the tables there.
    fn start() -> Self {
        let old = PostgresServer::start();
        drop(node(old.address(), SCHEMA, &[]));
        let new = old.standby();
        Self { old, new }
    }

    /// A node behind a proxy of its own.
    fn node(&self, args: &[&str]) -> (Proxy, Server) {
        let proxy = Proxy::start(self.old.address());
        let node = node(proxy.address, SCHEMA, args);
        wait_until("it has history", || history_of(&node) == "ok");
        (proxy, node)
    }

    /// Whether the new primary goes on with the log.
    fn is_taken_over(&self) -> bool {
        let started = "SELECT server LIKE '%/' || (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint \
            FROM sse_broadcaster.head";
        self.new.ask(started) == "t"
    }
}

#[test]
fn a_failover_that_loses_nothing_is_no_gap() {
    let mut pair = Pair::start();
    let (proxy, node) = pair.node(&[]);
    let mut stream = node.subscribe("/events?topic=t");
    let ids = node.publish_all("t", (0..20).map(|count| count.to_string()));
    pair.old.wait_for(&pair.new);
    pair.new.promote();
    proxy.redirect(pair.new.address());
    pair.old.kill();
    acknowledged(&node, "after");
    let mut expected: Vec<_> = (0..20).map(|count| count.to_string()).collect();
    expected.push("after".into());
    assert_eq!(stream.data(21), expected);
    let resuming = format!("Last-Event-ID: {}", ids[9]);
    let mut resumed = node.subscribe_with("/events?topic=t", &resuming);
    assert_eq!(resumed.next().unwrap().name, "connected");
    assert_eq!(resumed.data(11), expected[10..]);
}

#[test]
fn a_standby_that_lags_is_a_gap_and_gives_no_id_twice() {
    let mut pair = Pair::start();
    let (proxy, node) = pair.node(&[]);
    let mut stream = node.subscribe("/events?topic=t");
    let kept = node.publish("t", "kept");
    pair.old.wait_for(&pair.new);
    // What comes now does not reach the standby.
    pair.new.kill();
    let lost: Vec<_> = (0..20)
        .map(|count| node.publish("t", &format!("lost {count}")))
        .collect();
    assert_eq!(stream.data(21)[20], "lost 19");
    pair.old.kill();
    pair.new.run();
    pair.new.promote();
    proxy.redirect(pair.new.address());
    let gap = stream.until("gap");
    assert!(
        number(&gap.id) > number(&lost[19]),
        "ids do not go back: {gap:?}"
    );
    let after = acknowledged(&node, "after");
    assert_eq!(stream.data(1), ["after"]);
    assert!(number(&after) > number(&lost[19]) && !lost.contains(&after));
    for unknown in [&lost[0], &lost[19]] {
        let mut resumed =
            node.subscribe_with("/events?topic=t", &format!("Last-Event-ID: {unknown}"));
        assert_eq!(resumed.next().unwrap().name, "gap");
    }
    // Of before the epoch, as in every other history.
    let mut resumed = node.subscribe("/events?topic=t&since=earliest");
    assert_eq!(resumed.data(2), ["kept", "after"]);
    let _ = kept;
}

#[test]
fn a_node_leaves_the_old_primary_though_its_connections_to_it_live_on() {
    let pair = Pair::start();
    let (proxy, node) = pair.node(&[]);
    let mut stream = node.subscribe("/events?topic=t");
    node.publish("t", "before");
    pair.old.wait_for(&pair.new);
    pair.new.promote();
    proxy.redirect(pair.new.address());
    wait_until("the node has moved", || pair.is_taken_over());
    acknowledged(&node, "after");
    assert_eq!(stream.data(2), ["before", "after"]);
    wait_until("the node has no connection to the old primary", || {
        let others = "SELECT count(*) FROM pg_stat_activity \
            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        pair.old.ask(others) == "0"
    });
}

/// One kind of connection moves first.
fn moves_first(is_tail: bool) {
    let pair = Pair::start();
    let (proxy, node) = pair.node(&[]);
    let mut stream = node.subscribe("/events?topic=t");
    node.publish("t", "before");
    pair.old.wait_for(&pair.new);
    pair.new.promote();
    proxy.redirect(pair.new.address());
    proxy.sever(is_tail);
    let mut sent = Vec::new();
    wait_until("the node has moved", || {
        let data = format!("{}", sent.len());
        sent.push((publish(node.address, &data), data));
        pair.is_taken_over() && matches!(sent.last(), Some((Published::At(_), _)))
    });
    acknowledged(&node, "last");
    let mut seen = Vec::new();
    while seen.last().is_none_or(|data| data != "last") {
        // A gap stands for what the old primary took and the new one does not have.
        let message = stream.next().expect("the stream stays open");
        match &message.name[..] {
            "gap" => {
                let lost = sent.iter().filter(|(published, _)| match published {
                    Published::At(id) => number(id) <= number(&message.id),
                    _ => false,
                });
                seen.extend(lost.map(|(_, data)| data.clone()));
            }
            "" => seen.push(message.data),
            _ => {}
        }
    }
    for (published, data) in &sent {
        if matches!(published, Published::At(_)) {
            assert!(
                seen.contains(data),
                "{data} was acknowledged and lost: {sent:?}"
            );
        }
    }
    wait_until("it is connected", || history_of(&node) == "ok");
}

#[test]
fn a_tail_that_moves_to_a_promoted_standby_first_takes_the_appends_along() {
    moves_first(true);
}

#[test]
fn appends_that_move_to_a_promoted_standby_first_take_the_tail_along() {
    moves_first(false);
}

/// Node 0 moves and node 1 stays, with something lost before, so that node 0 begins another epoch, or without.
fn one_moves_later(is_lossy: bool) {
    let pair = Pair::start();
    let (nodes, mut streams): (Vec<_>, Vec<_>) = (0..2)
        .map(|_| {
            let (proxy, node) = pair.node(&[]);
            let stream = node.subscribe("/events?topic=t");
            ((proxy, node), stream)
        })
        .unzip();
    nodes[0].1.publish("t", "before");
    pair.old.wait_for(&pair.new);
    pair.new.promote();
    if is_lossy {
        nodes[0].1.publish("t", "lost");
    }
    let before = if is_lossy {
        &["before", "lost"][..]
    } else {
        &["before"]
    };
    for stream in &mut streams {
        assert_eq!(stream.data(before.len()), before);
    }
    nodes[0].0.redirect(pair.new.address());
    nodes[0].0.sever(true);
    wait_until("node 0 has moved", || pair.is_taken_over());
    if is_lossy {
        assert_eq!(streams[0].next().unwrap().name, "gap");
    }
    // Both take events now, which only their own streams are sent.
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for count in 0..20 {
        here.push(acknowledged(&nodes[0].1, &format!("new {count}")));
        there.push(acknowledged(&nodes[1].1, &format!("old {count}")));
    }
    assert!(
        here.iter().all(|id| !there.contains(id)),
        "{here:?} {there:?}"
    );
    while streams[0].data(1) != ["new 19"] {}
    while streams[1].data(1) != ["old 19"] {}
    for id in &there {
        let resuming = format!("Last-Event-ID: {id}");
        let mut hopped = nodes[0].1.subscribe_with("/events?topic=t", &resuming);
        let gap = hopped.next().unwrap();
        assert_eq!(gap.name, "gap", "{id} is of the old primary");
        hopped.until("connected");
        // All that the two do not share.
        assert_eq!(hopped.data(20)[0], "new 0");
    }
    nodes[1].0.redirect(pair.new.address());
    nodes[1].0.sever(true);
    for stream in &mut streams {
        stream.until("gap");
    }
    acknowledged(&nodes[1].1, "after");
    for stream in &mut streams {
        assert_eq!(stream.data(1), ["after"]);
    }
}

#[test]
fn a_node_that_moves_later_and_takes_its_events_with_it_is_a_gap_on_every_stream() {
    one_moves_later(false);
}

#[test]
fn a_node_that_moves_into_an_epoch_begun_without_its_events_begins_another() {
    one_moves_later(true);
}

#[test]
fn a_standby_is_not_followed() {
    let pair = Pair::start();
    let mut node = node(pair.new.address(), SCHEMA, &[]);
    assert!(node.log().contains("is a standby"), "{}", node.log());
    assert_eq!(history_of(&node), "unavailable");
    pair.new.promote();
    wait_until("it is a primary", || history_of(&node) == "ok");
}

#[test]
fn of_several_hosts_the_primary_is_used() {
    let pair = Pair::start();
    let hosts = format!("{},{}", pair.new.address(), pair.old.address());
    let url = format!("postgres://postgres@{hosts}/postgres?sslmode=disable");
    let mut command = crate::support::command(&["--listen", "127.0.0.1:0", "--postgres-url", &url]);
    command.args(["--workers", "1"]);
    let node = Server::spawn(command);
    wait_until("the primary is found", || history_of(&node) == "ok");
    node.publish("t", "x");
}
