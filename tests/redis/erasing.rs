//! Erased events where several nodes share them, where nodes or Redis are away, and where keys are lost.

use sse_broadcaster::{
    Selector,
    history::{Chunk, Found, From, History as _},
};

use crate::{
    redis::histories::{ALL, Node, data},
    redis::proxy::{Proxy, Way},
    support::redis::RedisServer,
    support::wait_until,
};

#[test]
fn a_node_that_was_away_while_events_were_erased_has_their_places_in_its_window_and_no_gap() {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.address());
    let here = Node::start(redis.address(), 1000, 1000);
    let far = Node::start(proxy.address, 1000, 1000);
    let (birth, epoch) = (here.head(), far.history.bounds().epoch);
    let seen = here.publish("a", "seen");
    wait_until("it has seen one", || far.head() == seen);
    proxy.set(Way::Cut);
    wait_until("its history is unavailable", || {
        far.history.health().is_err()
    });
    here.publish("b", "kept");
    let last = here.publish("a", "not seen");
    assert_eq!(here.erase("a"), 2);
    let after = here.publish("b", "after");
    proxy.set(Way::Whole);
    far.wait_for(&here, last);
    assert_eq!(far.history.bounds().epoch, epoch);
    let selector = Selector::all();
    for from in [birth, seen] {
        // Of its window alone.
        let held = far.history.tail();
        let held = held.read_held(From::After(from), &selector, ALL).unwrap();
        assert_eq!((held.gap, held.erased), (false, Some(last)));
        assert_eq!(data(&held), ["kept", "after"]);
    }
    assert_eq!(far.read(From::After(last)).events[0].id(), after);
}

#[test]
fn what_a_node_has_acknowledged_and_its_tail_finds_erased_is_not_lost() {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.address());
    let here = Node::start(redis.address(), 1000, 1000);
    let far = Node::start(proxy.address, 1000, 1000);
    let epoch = far.history.bounds().epoch;
    // Late replies let others erase what its tail has yet to see.
    proxy.set(Way::Slow);
    let mut erased = 0;
    for round in 0..40 {
        far.publish("a", &round.to_string());
        erased += here.erase("a");
    }
    assert_eq!(erased, 40);
    let last = here.publish("b", "last");
    proxy.set(Way::Whole);
    wait_until("it has come there", || far.head() >= last);
    assert_eq!(far.history.bounds().epoch, epoch);
    assert_eq!(data(&far.read(From::Earliest)), ["last"]);
}

#[test]
fn a_node_that_starts_has_the_places_of_erased_events_in_its_window() {
    let redis = RedisServer::start();
    let before = Node::start(redis.address(), 10_000, 16);
    let birth = before.head();
    let mut last = birth;
    for number in 0..1_200 {
        last = before.publish("a", &number.to_string());
        if number % 400 == 0 {
            before.publish("b", &number.to_string());
        }
    }
    while before.try_erase("a").unwrap().more {}
    let started = Node::start(redis.address(), 10_000, 1000);
    let held = started.history.tail();
    let held = held.read_held(From::After(birth), &Selector::all(), ALL);
    let held = held.expect("all of it fits the window");
    assert_eq!((held.gap, held.erased), (false, Some(last)));
    assert_eq!(data(&held), ["0", "400", "800"]);
}

#[test]
fn what_is_left_of_erased_events_is_a_gap_where_it_is_lost() {
    let redis = RedisServer::start();
    let node = Node::start(redis.address(), 1000, 8);
    let first = node.publish("b", "first");
    let erased = node.publish("a", "erased");
    for number in 0..20 {
        node.publish("b", &number.to_string());
    }
    assert_eq!(node.erase("a"), 1);
    let chunk = node.read(From::LastEventId(&first.to_string()));
    assert_eq!((chunk.gap, chunk.erased), (false, Some(erased)));
    assert_eq!(redis.ask("DEL {sse-broadcaster}:erased"), ":1");
    for id in [first, erased] {
        assert!(node.read(From::LastEventId(&id.to_string())).gap);
    }
    // Events can be erased anew.
    node.publish("a", "another");
    assert_eq!(node.erase("a"), 1);
    let started = Node::start(redis.address(), 1000, 8);
    assert!(started.read(From::LastEventId(&first.to_string())).gap);
}

#[test]
fn events_are_erased_also_where_the_index_of_their_topic_is_lost() {
    for key in ["topic:a", "topics"] {
        let redis = RedisServer::start();
        let node = Node::start(redis.address(), 10_000, 16);
        for number in 0..60 {
            node.publish("a", &number.to_string());
            node.publish("b", "kept");
        }
        assert_eq!(redis.ask(&format!("DEL {{sse-broadcaster}}:{key}")), ":1");
        node.publish("a", "of a new index");
        assert_eq!(node.erase("a"), 61, "{key}");
        let left = node.read(From::Earliest);
        assert_eq!(data(&left), ["kept"; 60], "{key}");
        assert_eq!(redis.ask("EXISTS {sse-broadcaster}:topic:a"), ":0");
        assert_eq!(redis.ask("HGET {sse-broadcaster}:topics a"), "$-1");
        assert_eq!(node.erase("a"), 0);
    }
}

#[test]
fn retention_leaves_nothing_behind_of_erased_events() {
    let redis = RedisServer::start();
    let node = Node::start(redis.address(), 50, 8);
    for number in 0..40 {
        node.publish("a", &number.to_string());
        node.publish(&format!("a{number}"), "x");
    }
    assert_eq!(node.erase("a"), 25);
    for number in 15..40 {
        assert_eq!(node.erase(&format!("a{number}")), 1);
    }
    assert_eq!(redis.ask("EXISTS {sse-broadcaster}:erased"), ":1");
    for number in 0..50 {
        node.publish("b", &number.to_string());
    }
    assert_eq!(redis.ask("EXISTS {sse-broadcaster}:erased"), ":0");
    assert_eq!(redis.ask("HGET {sse-broadcaster}:meta erased"), "$0");
    assert_eq!(redis.ask("HLEN {sse-broadcaster}:topics"), ":1");
    // Each counts its text twice, and 256 bytes.
    let bytes = (0..50).map(|number: usize| 256 + 2 * ("b".len() + number.to_string().len()));
    let bytes: usize = bytes.sum();
    wait_until("they count no more", || {
        node.history.bounds().bytes == bytes
    });
}

#[test]
fn what_was_erased_stays_erased_when_redis_is_killed() {
    let mut redis = RedisServer::start();
    let node = Node::start(redis.address(), 10_000, 64);
    let mut number = 0;
    for _ in 0..3 {
        let mut erased_before = 0;
        for _ in 0..10 {
            for _ in 0..3 {
                node.publish(["a", "b"][number % 2], &number.to_string());
                number += 1;
            }
            node.try_erase("a").unwrap();
            erased_before = number;
        }
        redis.kill();
        assert!(node.try_erase("a").is_err());
        wait_until("history is unavailable", || node.history.health().is_err());
        redis.run();
        node.wait_for_health();
        let started = Node::start(redis.address(), 10_000, 64);
        for node in [&node, &started] {
            let left = node.read(From::Earliest);
            let expected = (0..number)
                .filter(|number| number % 2 == 1 || *number >= erased_before)
                .map(|number| number.to_string());
            assert!(data(&left).into_iter().eq(expected));
            assert!(left.erased.is_some());
        }
    }
}

#[test]
fn nodes_that_publish_and_erase_at_the_same_time_end_with_the_same_events() {
    let redis = RedisServer::start();
    let nodes: Vec<_> = (0..3)
        .map(|_| Node::start(redis.address(), 10_000, 2_000))
        .collect();
    let epoch = nodes[0].history.bounds().epoch;
    std::thread::scope(|scope| {
        for node in &nodes {
            scope.spawn(move || {
                for number in 0..60 {
                    node.publish(["a", "b", "c"][number % 3], &number.to_string());
                    if number % 10 == 0 {
                        node.erase("a");
                    }
                }
            });
        }
    });
    nodes[0].erase("a");
    let last = nodes[0].publish("b", "last");
    wait_until("all have come there", || {
        nodes.iter().all(|node| node.head() >= last)
    });
    let ids = |chunk: &Chunk| chunk.events.iter().map(Found::id).collect::<Vec<_>>();
    let whole = ids(&nodes[0].read(From::Earliest));
    assert_eq!(whole.len(), 3 * 40 + 1);
    for node in &nodes {
        assert_eq!(node.history.bounds().epoch, epoch);
        // Read from Redis, and from the window alone.
        assert_eq!(ids(&node.read(From::Earliest)), whole);
        let held = node.history.tail();
        assert_eq!(
            ids(&held.read(From::Earliest, &Selector::all(), ALL)),
            whole
        );
    }
}

#[test]
fn what_was_erased_stays_erased_on_a_promoted_replica_that_has_it_all() {
    let mut redis = RedisServer::start();
    let replica = redis.replica();
    let proxy = Proxy::start(redis.address());
    let node = Node::start(proxy.address, 1000, 8);
    let (birth, epoch) = (node.head(), node.history.bounds().epoch);
    for _ in 0..20 {
        node.publish("a", "erased");
        node.publish("b", "kept");
    }
    assert_eq!(node.erase("a"), 20);
    redis.wait_for(&replica);
    proxy.redirect(replica.address());
    redis.kill();
    replica.promote();
    wait_until("it takes events again", || {
        node.try_publish("b", "kept").is_ok()
    });
    let last = node.publish("b", "kept");
    wait_until("its tail has come there", || node.head() == last);
    assert_eq!(node.history.bounds().epoch, epoch);
    let chunk = node.read(From::After(birth));
    assert!(!chunk.gap && chunk.erased.is_some());
    assert_eq!(data(&chunk), ["kept"; 22]);
}

#[test]
fn an_erasure_that_a_promoted_replica_lacks_is_a_gap() {
    let mut redis = RedisServer::start();
    let replica = redis.replica();
    let proxy = Proxy::start(redis.address());
    let node = Node::start(proxy.address, 1000, 100);
    let epoch = node.history.bounds().epoch;
    let last = node.publish("a", "erased");
    redis.wait_for(&replica);
    replica.promote();
    assert_eq!(node.erase("a"), 1);
    wait_until("its tail has come to the erasure", || node.head() > last);
    proxy.redirect(replica.address());
    redis.kill();
    wait_until("another epoch has begun", || {
        node.history.bounds().epoch != epoch
    });
    assert!(node.read(From::LastEventId(&last.to_string())).gap);
    wait_until("it can be erased again", || node.try_erase("a").is_ok());
    assert_eq!(data(&node.read(From::Earliest)), [""; 0]);
}
