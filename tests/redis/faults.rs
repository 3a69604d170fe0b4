//! What is acknowledged comes to everybody once and in order, whatever dies, stops or is cut off.

use crate::{
    redis::crowd::Crowd,
    redis::nodes::{history_of, node, three},
    redis::proxy::{Proxy, Way},
    support::redis::RedisServer,
    support::{Server, wait_until},
};

fn wait_for_history(nodes: &[Server], state: &str) {
    wait_until(&format!("history is {state}"), || {
        nodes.iter().all(|node| history_of(node) == state)
    });
}

#[test]
fn followers_that_hop_between_nodes_also_to_one_that_lags_miss_and_repeat_nothing() {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.address());
    let nodes = [
        node(redis.address(), &[]),
        node(redis.address(), &[]),
        node(proxy.address, &[]),
    ];
    proxy.set(Way::Slow);
    let crowd = Crowd::gather(&nodes, 16);
    crowd.wait_for(1_000);
    wait_until("the one that hops has come far", || {
        crowd.followers[3].seen() > 300
    });
    let (gaps, outcomes) = crowd.end();
    assert_eq!(gaps, [0, 0, 0, 0]);
    assert_eq!((outcomes.refused.len(), outcomes.unknown), (0, 0));
}

#[test]
fn nodes_that_are_killed_take_nothing_with_them_that_was_acknowledged() {
    let redis = RedisServer::start();
    let mut nodes = three(&redis);
    let crowd = Crowd::gather(&nodes, 8);
    for index in [1, 2] {
        nodes[index].signal("-KILL");
        nodes[index].wait();
        crowd.wait_for(100);
        nodes[index] = node(redis.address(), &[]);
        crowd.addresses.lock().unwrap()[index] = nodes[index].address;
        crowd.wait_for(100);
    }
    let (gaps, _) = crowd.end();
    assert_eq!(gaps, [0, 0, 0, 0]);
}

#[test]
fn redis_that_is_killed_and_comes_back_goes_on_where_it_was() {
    let mut redis = RedisServer::start();
    let nodes = three(&redis);
    let crowd = Crowd::gather(&nodes, 8);
    for _ in 0..2 {
        redis.kill();
        crowd.wait_for_refusals(8);
        wait_for_history(&nodes, "unavailable");
        redis.run();
        wait_for_history(&nodes, "ok");
        crowd.wait_for(100);
    }
    let (gaps, _) = crowd.end();
    assert_eq!(gaps, [0, 0, 0, 0]);
}

#[test]
fn redis_that_is_stopped_leaves_streams_open_and_goes_on_where_it_was() {
    let redis = RedisServer::start();
    let nodes = three(&redis);
    let crowd = Crowd::gather(&nodes, 8);
    redis.signal("-STOP");
    crowd.wait_for_refusals(16);
    wait_for_history(&nodes, "unavailable");
    redis.signal("-CONT");
    wait_for_history(&nodes, "ok");
    crowd.wait_for(100);
    let (gaps, outcomes) = crowd.end();
    assert_eq!(gaps, [0, 0, 0, 0]);
    assert!(
        outcomes.unknown > 0,
        "what was sent while it stood was not answered"
    );
}

#[test]
fn a_way_to_redis_that_swallows_what_is_sent_costs_nothing_that_was_acknowledged() {
    for way in [Way::Cut, Way::WithoutReplies] {
        let redis = RedisServer::start();
        let proxies: Vec<_> = (0..3).map(|_| Proxy::start(redis.address())).collect();
        let nodes: Vec<_> = proxies
            .iter()
            .map(|proxy| node(proxy.address, &[]))
            .collect();
        let crowd = Crowd::gather(&nodes, 8);
        // One node alone, and then all of them.
        for cut in [&proxies[1..2], &proxies[..]] {
            for proxy in cut {
                proxy.set(way);
            }
            wait_for_history(&nodes[1..2], "unavailable");
            if cut.len() == 1 {
                crowd.wait_for(50);
            }
            for proxy in cut {
                proxy.set(Way::Whole);
            }
            wait_for_history(&nodes, "ok");
            crowd.wait_for(100);
        }
        let (gaps, outcomes) = crowd.end();
        assert_eq!(gaps, [0, 0, 0, 0], "{way:?}");
        assert!(outcomes.unknown > 0, "{way:?}");
    }
}
