//! What Redis refuses: as a replica, without memory, without replicas; worded as by this Redis and as
//! before Redis 7, which passes on what a script was refused as an error of the script.

use crate::{
    redis::nodes::{Published, history_of, node, publish},
    redis::pair::acknowledged,
    redis::proxy::{Proxy, Way},
    support::redis::RedisServer,
    support::wait_until,
};

const WAYS: [Way; 2] = [Way::Whole, Way::AsRedis6];

#[test]
fn a_server_that_answers_readonly_is_left_for_the_one_that_the_address_leads_to() {
    for way in WAYS {
        let (old, new) = (RedisServer::start(), RedisServer::start());
        new.follow(&old);
        let proxy = Proxy::start(old.address());
        let node = node(proxy.address, &[]);
        proxy.set(way);
        let mut stream = node.subscribe("/events?topic=t");
        node.publish("t", "before");
        old.wait_for(&new);
        new.promote();
        // As Sentinel does, but without ending its clients' connections.
        old.follow(&new);
        assert_eq!(publish(node.address, "x"), Published::Refused, "{way:?}");
        assert_eq!(history_of(&node), "unavailable", "{way:?}");
        proxy.redirect(new.address());
        wait_until("the node has moved", || history_of(&node) == "ok");
        acknowledged(&node, "after");
        assert_eq!(stream.data(2), ["before", "after"], "{way:?}");
    }
}

#[test]
fn a_publish_for_which_memory_or_replicas_are_missing_is_refused_and_health_learns_of_it() {
    let (full, alone) = (
        ["CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"],
        [
            "CONFIG SET min-replicas-to-write 1",
            "CONFIG SET min-replicas-to-write 0",
        ],
    );
    for way in WAYS {
        for [from_now, no_more] in [full, alone] {
            let redis = RedisServer::start();
            let proxy = Proxy::start(redis.address());
            let node = node(proxy.address, &[]);
            proxy.set(way);
            let mut stream = node.subscribe("/events?topic=t");
            assert_eq!(redis.ask(from_now), "+OK");
            assert_eq!(publish(node.address, "x"), Published::Refused, "{from_now}");
            assert_eq!(history_of(&node), "unavailable", "{from_now}, {way:?}");
            assert_eq!(redis.ask(no_more), "+OK");
            // Without another publish that succeeds.
            wait_until("it can be published", || history_of(&node) == "ok");
            acknowledged(&node, "after");
            assert_eq!(stream.data(1), ["after"], "{from_now}, {way:?}");
        }
    }
}

#[test]
fn a_node_that_starts_while_redis_is_at_maxmemory_serves_what_is_past() {
    let mut redis = RedisServer::start();
    let first = node(redis.address(), &[]);
    let ids = first.publish_all("t", (0..20).map(|count| count.to_string()));
    let expected: Vec<_> = (5..20).map(|count| count.to_string()).collect();
    let resuming = format!("Last-Event-ID: {}", ids[4]);
    // As it is, and as it comes back from a restart.
    for is_restarted in [false, true] {
        if is_restarted {
            redis.kill();
            redis.run();
        }
        assert_eq!(redis.ask("CONFIG SET maxmemory 1"), "+OK");
        let small = ["--window-events", "16", "--max-event-bytes", "1000"];
        for args in [&[][..], &small] {
            let node = node(redis.address(), args);
            let mut resumed = node.subscribe_with("/events?topic=t", &resuming);
            assert_eq!(resumed.next().unwrap().name, "connected");
            assert_eq!(resumed.data(15), expected);
            let published = publish(node.address, "x");
            assert_eq!(published, Published::Refused, "{is_restarted} {args:?}");
            assert_eq!(history_of(&node), "unavailable");
        }
        assert_eq!(redis.ask("CONFIG SET maxmemory 0"), "+OK");
    }
    wait_until("it can be published", || history_of(&first) == "ok");
    first.publish("t", "after");
}
