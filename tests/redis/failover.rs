//! A replica that is promoted while the old primary lives on, and connections that move to it one at a
//! time: nothing is acknowledged that reaches nobody, and what one of both loses is a gap on every stream.

use std::{thread, time::Duration};

use crate::{
    crowd::Crowd,
    nodes::{Published, history_of, node, publish},
    proxy::Proxy,
    server::RedisServer,
    support::{Server, wait_until},
};

struct Pair {
    old: RedisServer,
    new: RedisServer,
}

impl Pair {
    fn start() -> Self {
        let old = RedisServer::start();
        let new = old.replica();
        Self { old, new }
    }

    /// A node behind a proxy of its own.
    fn node(&self) -> (Proxy, Server) {
        let proxy = Proxy::start(self.old.address());
        let node = node(proxy.address, &[]);
        (proxy, node)
    }

    /// Whether the new primary names itself as the log's server.
    fn is_taken_over(&self) -> bool {
        let mut run_id = self.new.info("run_id").expect("a run id");
        run_id.truncate(32);
        self.new.field("server").as_deref() == Some(&run_id)
    }
}

fn number(id: &str) -> sse_broadcaster::EventId {
    id.parse().expect("a position")
}

/// Publishes until one is acknowledged.
fn acknowledged(node: &Server, data: &str) -> String {
    let mut at = None;
    wait_until("a publish is acknowledged", || {
        let published = publish(node.address, data);
        at = match published {
            Published::At(id) => Some(id),
            _ => None,
        };
        at.is_some()
    });
    at.expect("an id")
}

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
    assert_eq!(history_of(&node), "ok");
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
    assert_eq!(streams[0].data(20)[19], "new 19");
    assert_eq!(streams[1].data(20)[19], "old 19");
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
    acknowledged(&nodes[1].1, "after");
    for stream in &mut streams {
        stream.until("gap");
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
fn a_replica_is_not_followed() {
    let pair = Pair::start();
    let mut node = node(pair.new.address(), &[]);
    assert!(node.log().contains("is a replica"), "{}", node.log());
    assert_eq!(history_of(&node), "unavailable");
    pair.new.promote();
    wait_until("it is a primary", || history_of(&node) == "ok");
}

/// How many staggered failovers are tried, and from which seed on.
fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str, default: u64| {
        let text = std::env::var(name).unwrap_or_default();
        text.parse().unwrap_or(default)
    };
    let first = number("FAILOVER_FIRST_SEED", 0);
    first..first + number("FAILOVER_SEEDS", 3)
}

/// Each node's way is redirected, and each of its connections severed, at a moment of its own, before or
/// after the replica is promoted.
fn stagger(pair: &Pair, proxies: &[Proxy], random: &mut fastrand::Rng) {
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Promote,
        Redirect(usize),
        SeverOne(usize, usize),
        Sever(usize, bool),
    }
    let mut steps = vec![Step::Promote];
    for node in 0..proxies.len() {
        steps.push(Step::Redirect(node));
        for _ in 0..random.usize(0..3) {
            steps.push(Step::SeverOne(node, random.usize(0..16)));
        }
        steps.extend([Step::Sever(node, true), Step::Sever(node, false)]);
    }
    random.shuffle(&mut steps);
    for step in steps {
        match step {
            Step::Promote => pair.new.promote(),
            Step::Redirect(node) => proxies[node].redirect(pair.new.address()),
            Step::SeverOne(node, number) => proxies[node].sever_one(number),
            Step::Sever(node, is_tail) => proxies[node].sever(is_tail),
        }
        thread::sleep(Duration::from_millis(random.u64(0..150)));
    }
}

#[test]
fn staggered_failovers_lose_nothing_that_was_acknowledged_without_a_gap() {
    for seed in seeds() {
        let mut random = fastrand::Rng::with_seed(seed);
        let pair = Pair::start();
        let (proxies, nodes): (Vec<_>, Vec<_>) = (0..3).map(|_| pair.node()).unzip();
        let crowd = Crowd::gather(&nodes, 6);
        stagger(&pair, &proxies, &mut random);
        // Whatever is left at the old primary leaves it, some of it by itself.
        for proxy in &proxies {
            if random.bool() {
                proxy.sever(true);
                proxy.sever(false);
            }
        }
        wait_until("all nodes are at the new primary", || {
            let old = pair.old.info("connected_clients");
            pair.is_taken_over()
                && nodes.iter().all(|node| history_of(node) == "ok")
                // The one that asks.
                && old.as_deref() == Some("1")
        });
        crowd.wait_for(60);
        let gaps = crowd.end_forked();
        eprintln!("seed {seed}: gaps {gaps:?}");
    }
}
