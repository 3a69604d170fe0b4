//! A replica that is promoted while the old primary lives on, and connections that move to it one at a
//! time: nothing is acknowledged that reaches nobody, and what one of both loses is a gap on every stream.

use crate::{
    redis::nodes::{Published, history_of, node, publish},
    redis::pair::{Pair, acknowledged, number},
    support::wait_until,
};

#[test]
fn where_only_the_tail_moves_to_a_promoted_replica_appends_move_with_it() {
    let pair = Pair::start();
    let (proxy, node) = pair.node();
    let mut stream = node.subscribe("/events?topic=t");
    node.publish("t", "before");
    assert_eq!(stream.data(1), ["before"]);
    pair.old.wait_for(&pair.new);
    pair.new.promote();
    proxy.redirect(pair.new.address());
    proxy.sever(true);
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
fn where_only_the_appends_move_to_a_promoted_replica_the_tail_follows_them() {
    let pair = Pair::start();
    let (proxy, node) = pair.node();
    let mut stream = node.subscribe("/events?topic=t");
    node.publish("t", "before");
    pair.old.wait_for(&pair.new);
    pair.new.promote();
    proxy.redirect(pair.new.address());
    proxy.sever(false);
    acknowledged(&node, "after");
    assert_eq!(stream.data(2), ["before", "after"]);
    assert!(pair.is_taken_over());
}

#[test]
fn a_node_leaves_the_old_primary_though_its_connections_to_it_live_on() {
    let pair = Pair::start();
    let (proxy, node) = pair.node();
    let mut stream = node.subscribe("/events?topic=t");
    node.publish("t", "before");
    pair.old.wait_for(&pair.new);
    pair.new.promote();
    proxy.redirect(pair.new.address());
    wait_until("the node has moved", || pair.is_taken_over());
    acknowledged(&node, "after");
    assert_eq!(stream.data(2), ["before", "after"]);
    wait_until("the node has no connection to the old primary", || {
        pair.is_left()
    });
}

#[test]
fn a_failover_that_loses_nothing_is_no_gap() {
    let mut pair = Pair::start();
    let (proxy, node) = pair.node();
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

/// Node 0 moves and node 1 stays, with something lost before, so that node 0 begins another epoch, or
/// without.
fn one_moves_later(is_lossy: bool) {
    let pair = Pair::start();
    let (nodes, mut streams): (Vec<_>, Vec<_>) = (0..2)
        .map(|_| {
            let (proxy, node) = pair.node();
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
    // One whose reply was late was published again.
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
    // Before the gap, the old primary may still acknowledge it, and take it along.
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
fn a_node_that_moves_once_the_new_log_was_trimmed_past_its_events_is_a_gap_on_every_stream() {
    let pair = Pair::start();
    let small = ["--history-events", "20", "--max-event-bytes", "1000"];
    let nodes = [pair.node_with(&small), pair.node_with(&small)];
    let mut stream = nodes[0].1.subscribe("/events?topic=t");
    nodes[0].1.publish("t", "before");
    pair.old.wait_for(&pair.new);
    pair.new.promote();
    nodes[0].0.redirect(pair.new.address());
    nodes[0].0.sever(true);
    wait_until("node 0 has moved", || pair.is_taken_over());
    nodes[1].1.publish("t", "old");
    for count in 0..60 {
        acknowledged(&nodes[0].1, &count.to_string());
    }
    while stream.data(1) != ["59"] {}
    nodes[1].0.redirect(pair.new.address());
    nodes[1].0.sever(true);
    stream.until("gap");
    acknowledged(&nodes[1].1, "after");
    assert_eq!(stream.data(1), ["after"]);
}

#[test]
fn a_replica_is_not_followed() {
    let pair = Pair::start();
    let mut node = node(pair.new.address(), &[]);
    assert!(node.log().contains("is a replica"), "{}", node.log());
    assert_eq!(history_of(&node), "unavailable");
    pair.new.promote();
    wait_until("it is a primary", || history_of(&node) == "ok");
}
