//! The list of subscriptions where nodes end or are killed, and where what they share is
//! unreachable or has lost something.

use std::time::{Duration, Instant};

use super::{
    nodes::{HubHistory, node, node_by},
    nodes_list::{SETTINGS, changes, next, topics, two, wait_for_topics, watch},
    subscribe,
    subscriptions::{ALL, list, wait_for},
};
use crate::{
    redis::proxy::{Proxy, Way},
    support::{
        redis::{RedisServer, SNAPSHOTS},
        shared::{Emptied, Restarted, SharedHistory, tests_of},
        wait_until,
    },
};

/// How often a node reports that it lives.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// What a busy machine adds to any time at most.
const BUSY: Duration = Duration::from_secs(20);

pub fn the_subscriptions_of_a_node_that_was_killed_end_once_each_within_three_heartbeats<
    H: SharedHistory,
>() {
    let history = H::start();
    let nodes = two(&history);
    let mut watcher = watch(&nodes[1]);
    let of_killed: Vec<_> = (0..150)
        .map(|number| subscribe(&nodes[0], &format!("topic=t{number}&match=t{number}")))
        .collect();
    let mut begun: Vec<_> = (0..300).map(|_| next(&mut watcher)).collect();
    assert_eq!(wait_for(&nodes[1], 301).len(), 301);
    nodes[0].signal("-KILL");
    let killed = Instant::now();
    let mut ended: Vec<_> = (0..300).map(|_| next(&mut watcher)).collect();
    let took = killed.elapsed();
    println!("{took:?}");
    assert!(took < HEARTBEAT * 3 + BUSY, "{took:?}");
    for change in &mut begun {
        change.2 = false;
    }
    begun.sort();
    ended.sort();
    assert_eq!(ended, begun);
    assert_eq!(topics(&wait_for(&nodes[1], 1)), ["*"]);
    // Nothing else is announced.
    let _other = subscribe(&nodes[1], "topic=other");
    assert_eq!(next(&mut watcher).1, "other");
    drop(of_killed);
}

pub fn a_node_that_is_terminated_announces_the_end_of_its_subscriptions<H: SharedHistory>() {
    let history = H::start();
    let [mut first, second] = two(&history);
    let mut watcher = watch(&second);
    let streams: Vec<_> = (0..20)
        .map(|_| subscribe(&first, "topic=a&match=b"))
        .collect();
    let begun: Vec<_> = (0..40).map(|_| next(&mut watcher).0).collect();
    first.signal("-TERM");
    let ended: Vec<_> = (0..40).map(|_| next(&mut watcher)).collect();
    assert!(ended.iter().all(|(_, _, active)| !active));
    let ended: Vec<_> = ended.into_iter().map(|(id, ..)| id).collect();
    assert_eq!(ended, begun);
    wait_for(&second, 1);
    assert!(first.wait().success());
    drop(streams);
}

pub fn after_all_data_was_lost_every_node_writes_its_subscriptions_again<E: Emptied>() {
    let mut history = E::start_forgetful();
    let nodes = two(&history);
    let _streams = [
        subscribe(&nodes[0], "topic=a&match=b"),
        subscribe(&nodes[1], "topic=c"),
    ];
    wait_for(&nodes[1], 3);
    history.lose_all();
    let found = || list(&nodes[0], ALL);
    wait_until("the subscriptions are listed again", || {
        let response = found();
        response.status == 200 && response.json()["subscriptions"].as_array().unwrap().len() == 3
    });
    // They are announced anew, for clients that have read the empty list.
    let mut reader = subscribe(&nodes[1], "topic=*&lastEventID=earliest");
    let mut begun: Vec<_> = (0..3).map(|_| next(&mut reader).1).collect();
    begun.sort();
    assert_eq!(begun, ["a", "b", "c"]);
}

pub fn while_history_is_unreachable_streams_open_at_once_and_are_announced_when_it_has_recovered<
    R: Restarted,
>() {
    let mut history = R::start();
    let nodes = two(&history);
    let mut watcher = watch(&nodes[1]);
    let ended = subscribe(&nodes[0], "topic=before");
    assert_eq!(next(&mut watcher).1, "before");
    history.kill();
    let streams: Vec<_> = (0..20)
        .map(|number| subscribe(&nodes[0], &format!("topic=t{number}")))
        .collect();
    drop(streams);
    let _open = subscribe(&nodes[0], "topic=open");
    drop(ended);
    wait_until("the list is refused", || list(&nodes[1], ALL).status == 503);
    history.run();
    let mut changes = changes(&mut watcher, 42);
    assert_eq!(changes.remove("before"), Some(vec![false]));
    assert_eq!(changes.remove("open"), Some(vec![true]));
    assert_eq!(changes.len(), 20);
    assert!(
        changes.values().all(|both| *both == [true, false]),
        "{changes:?}"
    );
    assert_eq!(wait_for(&nodes[1], 2).len(), 2);
}

pub fn a_reply_that_was_lost_has_nothing_announced_twice<H: HubHistory>() {
    let history = H::start();
    let proxy = Proxy::start(history.address());
    let nodes = [
        node_by(&history, proxy.address, &SETTINGS),
        node(&history, &SETTINGS),
    ];
    let mut watcher = watch(&nodes[1]);
    let written = || history.last_begun();
    let (mut round, mut repeated) = (0, 0);
    while repeated < 3 {
        // It has a connection.
        drop(subscribe(&nodes[0], "topic=before"));
        assert_eq!(changes(&mut watcher, 2)["before"], [true, false]);
        wait_until("all is published", || history.has_published_all());
        let before = written();
        proxy.set(Way::WithoutReplies);
        for number in 0..10 {
            drop(subscribe(&nodes[0], &format!("topic=t{round}-{number}")));
        }
        // Where another call was the one whose reply was lost, nothing is written, and there is one more round.
        let deadline = Instant::now() + Duration::from_secs(1);
        while written() == before && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        repeated += usize::from(written() != before);
        proxy.set(Way::Whole);
        let changes = changes(&mut watcher, 20);
        assert_eq!(changes.len(), 10);
        assert!(
            changes.values().all(|both| *both == [true, false]),
            "{changes:?}"
        );
        round += 1;
        assert!(round < 50, "no batch was written without a reply");
    }
    let _last = subscribe(&nodes[0], "topic=last");
    assert_eq!(next(&mut watcher).1, "last");
}

pub fn a_node_that_was_taken_for_dead_lists_and_announces_its_subscriptions_again<
    H: SharedHistory,
>() {
    let history = H::start();
    let nodes = two(&history);
    let mut watcher = watch(&nodes[1]);
    let stream = subscribe(&nodes[0], "topic=a");
    let (id, _, _) = next(&mut watcher);
    nodes[0].signal("-STOP");
    let change = |is_active| (id.clone(), "a".to_owned(), is_active);
    assert_eq!(next(&mut watcher), change(false));
    wait_for(&nodes[1], 1);
    nodes[0].signal("-CONT");
    assert_eq!(next(&mut watcher), change(true));
    wait_for(&nodes[1], 2);
    drop(stream);
    assert_eq!(next(&mut watcher), change(false));
}

mod redis {
    use super::*;
    use crate::mercure::nodes_faults;

    tests_of! { nodes_faults, RedisServer:
        the_subscriptions_of_a_node_that_was_killed_end_once_each_within_three_heartbeats,
        a_node_that_is_terminated_announces_the_end_of_its_subscriptions,
        after_all_data_was_lost_every_node_writes_its_subscriptions_again,
        while_history_is_unreachable_streams_open_at_once_and_are_announced_when_it_has_recovered,
        a_reply_that_was_lost_has_nothing_announced_twice,
        a_node_that_was_taken_for_dead_lists_and_announces_its_subscriptions_again,
    }

    #[test]
    fn a_redis_that_came_back_with_an_older_state_is_given_what_has_changed_since() {
        let mut redis = RedisServer::start_with(&SNAPSHOTS);
        let nodes = two(&redis);
        let old = subscribe(&nodes[0], "topic=old");
        let _kept = subscribe(&nodes[0], "topic=kept");
        wait_for(&nodes[1], 2);
        assert_eq!(redis.ask("SAVE"), "+OK");
        drop(old);
        wait_for(&nodes[1], 1);
        // As many as the older state has.
        let _new = subscribe(&nodes[0], "topic=new");
        wait_for(&nodes[1], 2);
        redis.kill();
        redis.run();
        let is_there = |node| list(node, ALL).status == 200;
        wait_until("the nodes have reached it", || nodes.iter().all(is_there));
        wait_for_topics(&nodes, &["kept", "new"].map(str::to_owned));
        // Nothing else is announced again.
        let mut reader = subscribe(&nodes[1], "topic=*&lastEventID=earliest");
        let mut changes = changes(&mut reader, 5);
        assert_eq!(changes.remove("old"), Some(vec![true, false]));
        assert_eq!(changes.len(), 3);
    }
}
